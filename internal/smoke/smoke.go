// Package smoke owns the proof that a started stack does its job: a command that the Compose file names under smoke
// is run inside a service's container, and what it measured is held against the least that is good enough.
package smoke

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// defaultTimeout bounds a smoke test that names no timeout.
const defaultTimeout = 2 * time.Minute

// API is what a smoke test needs of the engine; *engine.Engine has it.
type API interface {
	engine.Execer
	container.Inspector
	Now() time.Time
}

// test is a smoke test that is being run.
type test struct {
	extension.Smoke
	what  string // of it, for a person: "smoke test"
	plain bool   // its answer need not be JSON, unless values are held against it
}

// Run runs the project's smoke test, prints what it measured and gives that. A project without one is a Config error.
func Run(ctx context.Context, api API, project *types.Project, out *ui.Out) (map[string]any, error) {
	found, ok := extension.SmokeTest(project)
	if !ok {
		return nil, fault.New(fault.Config, fault.Correct,
			"this stack has no smoke test: name one in its Compose file, under smoke of %s", extension.Key)
	}
	return test{Smoke: found, what: "smoke test"}.on(ctx, api, project, out)
}

// Command runs a command that the Compose file names for something else, as a smoke test is run: that it ends well is
// enough where no values are asked of it. what says which command it is.
func Command(ctx context.Context, api API, project *types.Project, out *ui.Out, what string, c extension.Smoke) (
	map[string]any, error,
) {
	return test{Smoke: c, what: what, plain: true}.on(ctx, api, project, out)
}

func (t test) on(ctx context.Context, api API, project *types.Project, out *ui.Out) (map[string]any, error) {
	id, err := t.running(ctx, api, project)
	if err != nil {
		return nil, err
	}
	var answer map[string]any
	err = out.Step(ctx, t.what+": "+strings.Join(t.Command, " ")+" in "+t.Service,
		func(ctx context.Context, _ func(string)) error {
			answer, err = t.run(ctx, api, id)
			return err
		})
	if err != nil {
		return nil, err
	}
	show(out, answer)
	return answer, t.judge(answer)
}

func (t test) run(ctx context.Context, api API, id string) (map[string]any, error) {
	timeout := cmp.Or(t.Timeout, defaultTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	next := "go tool mage logs " + fault.Quote(t.Service)
	done, err := engine.Exec(ctx, api, id, t.Command)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fault.New(fault.Failed, next, "%s: %w", t.what, err)
	}
	if done.Code != 0 {
		lines := strings.Split(strings.TrimSpace(done.Stderr), "\n")
		return nil, fault.New(fault.Failed, next, "%s: %s failed (exit %d)", t.what, t.Command[0], done.Code).
			WithDetail(lines[max(0, len(lines)-10):]...)
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(done.Stdout), &answer); err != nil && (!t.plain || len(t.AtLeast) > 0) {
		return nil, fault.New(fault.Failed, next, "%s: reading the answer of %s: %w", t.what, t.Command[0], err)
	}
	return answer, nil
}

// judge holds the answer against the least values.
func (t test) judge(answer map[string]any) error {
	var low []string
	for field, least := range t.AtLeast {
		got, isNumber := answer[field].(float64)
		if !isNumber || got < least {
			low = append(low, fmt.Sprintf("%s is %v, at least %v is needed", field, answer[field], least))
		}
	}
	if len(low) > 0 {
		slices.Sort(low)
		return fault.New(fault.Failed, "go tool mage logs "+fault.Quote(t.Service), "%s: %s", t.what,
			strings.Join(low, "; "))
	}
	return nil
}

// show prints the answer's fields, one a line, by name.
func show(out *ui.Out, answer map[string]any) {
	var names []string
	for name := range answer {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		text, err := json.Marshal(answer[name])
		if err != nil {
			continue
		}
		out.Info("%-18s %s", name, strings.Trim(string(text), `"`))
	}
}

// running finds a running container of the service; where there is none, the error says in which state the service
// is.
func (t test) running(ctx context.Context, api API, project *types.Project) (string, error) {
	service := t.Service
	found, err := container.Inspect(ctx, api, project.Name, service)
	if err != nil {
		return "", err
	}
	config, ok := project.Services[service]
	if !ok {
		return "", fault.New(fault.Config, fault.Correct,
			"the %s of %s names the service %q, which the project does not have", t.what, extension.Key, service)
	}
	if v := container.Judge(config, found[service], api.Now()); !v.Fine {
		return "", fault.New(fault.Failed, v.Next, "%s: %s", t.what, v.Says())
	}
	for _, c := range found[service] {
		if c.Runs() {
			return c.ID, nil
		}
	}
	return "", fault.New(fault.Failed, "go tool mage start", "%s: %q is not running", t.what, service)
}
