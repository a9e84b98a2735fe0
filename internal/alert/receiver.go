package alert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// Receiver is one who is told.
type Receiver struct {
	Rule
	// Name tells it from the others, and people which it is. It holds no secret.
	Name string
	// send tells an event once. The error is shown: it holds neither an address nor what the receiver says.
	send func(ctx context.Context, e Event) error
}

// mostAddress is the most that is read of a file with an address, in bytes.
const mostAddress = 16 << 10

// Receivers gives those that the project names under x-compose-mage.
func Receivers(project *types.Project) []Receiver {
	var out []Receiver
	for _, a := range extension.Alerts(project) {
		r := Receiver{Rule: Rule{For: a.For, IDs: a.IDs}}
		if a.Webhook != nil {
			h := webhook{format: a.Webhook.Format}
			r.Name, h.address = addressOf(project, *a.Webhook)
			r.send = h.send
		} else {
			r.Name = "command " + fault.Quote(a.Command[0])
			r.send = command{args: a.Command, dir: project.WorkingDir}.send
		}
		out = append(out, r)
	}
	for i := range out { // two may be of one kind, with different rules
		for _, before := range out[:i] {
			if before.Name == out[i].Name {
				out[i].Name += fmt.Sprintf(" (%d)", i+1)
			}
		}
	}
	return out
}

// addressOf gives where a webhook's address is kept, in words, and how it is read: anew each time, so that another one
// counts at once.
func addressOf(project *types.Project, w extension.Webhook) (name string, read func() (string, error)) {
	file, variable := w.File, w.Environment
	switch {
	case w.Secret != "":
		name = "webhook of secret " + fault.Quote(w.Secret)
		file, variable = project.Secrets[w.Secret].File, project.Secrets[w.Secret].Environment
	case file != "":
		name = "webhook of file " + fault.Quote(file)
	default:
		name = "webhook of variable " + fault.Quote(variable)
	}
	if file != "" && !filepath.IsAbs(file) {
		file = filepath.Join(project.WorkingDir, file)
	}
	return name, func() (string, error) {
		if file == "" {
			value := os.Getenv(variable)
			if value == "" {
				value = project.Environment[variable]
			}
			if value == "" {
				return "", fmt.Errorf("the variable %q is not set", variable)
			}
			return strings.TrimSpace(value), nil
		}
		text, err := regular.Read(file, mostAddress)
		if err != nil {
			return "", fmt.Errorf("its address can't be read: %w", err)
		}
		if strings.TrimSpace(string(text)) == "" {
			return "", fmt.Errorf("%q is empty", file)
		}
		return strings.TrimSpace(string(text)), nil
	}
}

// refused is the error of a receiver that will not take this event, however often it is sent.
type refused struct{ error }

// later is the error of a receiver that says when to come again.
type later struct {
	error
	after time.Duration
}

// testTimeout bounds one attempt of a test.
const testTimeout = 45 * time.Second

// Test tells each receiver once that this is a test, and gives who was told, and an error for the others.
func Test(ctx context.Context, project string, receivers []Receiver) (told []string, err error) {
	var failed []error
	for _, r := range receivers {
		now := time.Now()
		e := eventOf(testFinding, now, now)
		e.Status, e.Project, e.Host = StatusTest, project, host()
		limited, cancel := context.WithTimeout(ctx, testTimeout)
		err := r.send(limited, e)
		cancel()
		if err != nil {
			failed = append(failed, fmt.Errorf("telling the %s: %w", r.Name, err))
			continue
		}
		told = append(told, r.Name)
	}
	return told, errors.Join(failed...)
}

func host() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return shown(name)
}

// testFinding is what a test tells.
var testFinding = finding.Tell("alert.test", "", "this is a test: nothing is wrong")
