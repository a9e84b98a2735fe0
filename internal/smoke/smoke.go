// Package smoke owns the proof that a started stack does its job: a command that the Compose file names under x-smoke
// is run inside a service's container, and what it measured is held against the least that is good enough.
package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Extension is the top-level key of the Compose file that describes the smoke test.
const Extension = "x-smoke"

// Test is what the Compose file says under x-smoke.
type Test struct {
	Service string
	Command []string
	Timeout time.Duration
	AtLeast map[string]float64 // field of the command's JSON answer -> least value
}

// defaultTimeout bounds a smoke test that names no timeout.
const defaultTimeout = 2 * time.Minute

// Read takes the test out of the project; ok is false where the project has none.
func Read(project *types.Project) (t Test, ok bool, err error) {
	raw, ok := project.Extensions[Extension].(map[string]any)
	if !ok {
		return t, false, nil
	}
	t = Test{Timeout: defaultTimeout, AtLeast: map[string]float64{}}
	t.Service, _ = raw["service"].(string)
	command, _ := raw["command"].([]any)
	for _, word := range command {
		t.Command = append(t.Command, fmt.Sprint(word))
	}
	if t.Service == "" || len(t.Command) == 0 {
		return t, false, fault.New(fault.Config, "", "%s needs a service and a command", Extension)
	}
	if text, ok := raw["timeout"].(string); ok {
		if t.Timeout, err = time.ParseDuration(text); err != nil {
			return t, false, fault.New(fault.Config, "", "%s.timeout: %w", Extension, err)
		}
	}
	least, _ := raw["at-least"].(map[string]any)
	for field, value := range least {
		number, err := toFloat(value)
		if err != nil {
			return t, false, fault.New(fault.Config, "", "%s.at-least.%s: %w", Extension, field, err)
		}
		t.AtLeast[field] = number
	}
	return t, true, nil
}

func toFloat(value any) (float64, error) {
	switch v := value.(type) {
	case float64:
		return v, nil
	case int:
		return float64(v), nil
	}
	return 0, fmt.Errorf("%v is not a number", value)
}

// API is what a smoke test needs of the engine.
type API interface {
	engine.Execer
	ContainerList(ctx context.Context, o client.ContainerListOptions) (client.ContainerListResult, error)
}

// Run runs the project's smoke test and prints what it measured. A project without one is a Config error.
func Run(ctx context.Context, api API, project *types.Project, out *ui.Out) error {
	t, ok, err := Read(project)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.Config, "", "this stack has no smoke test: name one under %s in its Compose file", Extension)
	}
	id, err := running(ctx, api, project.Name, t.Service)
	if err != nil {
		return err
	}
	var answer map[string]any
	err = out.Step(ctx, "smoke test: "+strings.Join(t.Command, " ")+" in "+t.Service, func(ctx context.Context, _ func(string)) error {
		answer, err = t.run(ctx, api, id)
		return err
	})
	if err != nil {
		return err
	}
	show(out, answer)
	return t.judge(answer)
}

func (t Test) run(ctx context.Context, api API, id string) (map[string]any, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, t.Timeout, fmt.Errorf("no answer within %s", t.Timeout))
	defer cancel()
	next := "go tool mage logs " + t.Service
	done, err := engine.Exec(ctx, api, id, t.Command)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fault.New(fault.Failed, next, "smoke test: %w", err)
	}
	if done.Code != 0 {
		lines := strings.Split(strings.TrimSpace(done.Stderr), "\n")
		return nil, fault.New(fault.Failed, next, "smoke test: %s failed (exit %d)", t.Command[0], done.Code).
			WithDetail(lines[max(0, len(lines)-10):]...)
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(done.Stdout), &answer); err != nil {
		return nil, fault.New(fault.Failed, next, "smoke test: reading the answer of %s: %w", t.Command[0], err)
	}
	return answer, nil
}

// judge holds the answer against the least values.
func (t Test) judge(answer map[string]any) error {
	var low []string
	for field, least := range t.AtLeast {
		got, isNumber := answer[field].(float64)
		if !isNumber || got < least {
			low = append(low, fmt.Sprintf("%s is %v, at least %v is needed", field, answer[field], least))
		}
	}
	if len(low) > 0 {
		slices.Sort(low)
		return fault.New(fault.Failed, "go tool mage logs "+t.Service, "smoke test: %s", strings.Join(low, "; "))
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

// running finds the service's container.
func running(ctx context.Context, api API, project, service string) (string, error) {
	filters := client.Filters{}.
		Add("label", "com.docker.compose.project="+project).
		Add("label", "com.docker.compose.service="+service)
	found, err := api.ContainerList(ctx, client.ContainerListOptions{Filters: filters})
	if err != nil {
		return "", fmt.Errorf("looking for the container of %q: %w", service, err)
	}
	if len(found.Items) == 0 {
		return "", fault.New(fault.Failed, "go tool mage start", "smoke test: %q is not running", service)
	}
	return found.Items[0].ID, nil
}
