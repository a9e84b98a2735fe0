package lifecycle

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/logstream"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// StatusReport is what Status found.
type StatusReport struct {
	Project  string          `json:"project"`
	Fine     bool            `json:"fine"` // every service is as it should be
	Services []ServiceStatus `json:"services"`
	Orphans  []Orphan        `json:"orphans"` // containers of services that the Compose files no longer have
	// Checkouts are other folders with a project of this name that has containers: start, restart, stop and cleanup refuse to touch them.
	Checkouts []container.Checkout `json:"other_checkouts"`

	verdicts []container.Verdict // on the services that are not
	project  *types.Project
}

// ServiceStatus is one container of a service, or the lack of one.
type ServiceStatus struct {
	Service   string              `json:"service"`
	Fine      bool                `json:"fine"`
	Condition container.Condition `json:"condition"`           // running, healthy, starting, done, scaled to 0, provider, …
	Health    string              `json:"health,omitempty"`    // starting, healthy, unhealthy; empty without a health check
	Status    string              `json:"status"`              // as docker ps has it: "Up 2 minutes (healthy)"
	Container string              `json:"container,omitempty"` // its name; empty where there is none
	Image     string              `json:"image,omitempty"`
	Ports     []string            `json:"ports,omitempty"` // published ones: "127.0.0.1:8000->8000/tcp"
	Why       string              `json:"why,omitempty"`   // what is wrong with it
	Next      string              `json:"next,omitempty"`  // the command that helps
}

// Status asks the engine for every service's containers. The report is fine where every service is as it should be.
func Status(ctx context.Context, e *engine.Engine, project *types.Project) (StatusReport, error) {
	report := StatusReport{Project: project.Name, Fine: true, Services: []ServiceStatus{}, Orphans: []Orphan{}, project: project}
	compose, err := newCompose(e)
	if err != nil {
		return report, err
	}
	others, err := container.Checkouts(ctx, e, project)
	if err != nil {
		return report, err
	}
	report.Checkouts = append([]container.Checkout{}, others...)
	all, err := compose.Ps(ctx, project.Name, api.PsOptions{Project: project, All: true})
	if err != nil {
		return report, fmt.Errorf("listing the containers of %q: %w", project.Name, err)
	}
	listed := map[string]api.ContainerSummary{}
	for _, c := range all {
		listed[c.Name] = c
	}
	found, err := container.Inspect(ctx, e, project.Name)
	if err != nil {
		return report, err
	}
	for _, v := range container.JudgeAll(project, found, e.Now()) {
		if !v.Fine {
			report.Fine = false
			report.verdicts = append(report.verdicts, v)
		}
		for _, o := range v.Each {
			c := listed[o.Container]
			report.Services = append(report.Services, ServiceStatus{
				Service: v.Service, Fine: o.Fine, Condition: o.Condition, Why: o.Why, Next: o.Next, Container: o.Container,
				Health: string(c.Health), Status: cmp.Or(c.Status, string(o.Condition)), // it came after the list was made
				Image: c.Image, Ports: ports(c.Publishers),
			})
		}
		if len(v.Each) == 0 || !v.Fine && v.Container == "" { // too few or too many are no container's fault
			report.Services = append(report.Services, ServiceStatus{
				Service: v.Service, Fine: v.Fine, Condition: v.Condition, Status: without(project.Services[v.Service], v), Why: v.Why, Next: v.Next,
			})
		}
	}
	return report, nil
}

// Next is the command that helps where the report is not fine.
func (r StatusReport) Next() string {
	if len(r.verdicts) == 0 {
		return ""
	}
	return r.verdicts[0].Next
}

// Print writes a line per container and one for each service without any, and what is wrong.
func (r StatusReport) Print(out *ui.Out) {
	rows := make([][]string, 0, len(r.Services))
	for _, s := range r.Services {
		rows = append(rows, []string{s.Service, s.coloured(), s.Container, s.Image, strings.Join(s.Ports, " ")})
	}
	ui.Table(out.Writer(), []string{"SERVICE", "STATUS", "CONTAINER", "IMAGE", "PORTS"}, rows)
	for _, c := range r.Checkouts {
		text, next := c.Says(r.project)
		out.Warn("%s", text)
		out.Info("  next: %s", next)
	}
	for _, v := range r.verdicts {
		out.Warn("%s", v.Says())
		out.Info("  next: %s", v.Next)
	}
}

// coloured is what the engine says of a container, by whether that is as it should be.
func (s ServiceStatus) coloured() string {
	switch {
	case s.Condition == container.Missing && s.Container == "", s.Condition == container.Starting:
		return ui.Yellow(s.Status)
	case !s.Fine:
		return ui.Red(s.Status)
	case s.Condition == container.Done:
		return "done, " + s.Status
	case s.Container == "":
		return s.Status
	}
	return ui.Green(s.Status)
}

// without is what is said of a service without a container.
func without(s types.ServiceConfig, v container.Verdict) string {
	switch {
	case s.Provider != nil:
		return "provider " + s.Provider.Type
	case v.Fine:
		return string(v.Condition)
	case len(v.Each) > 0:
		return v.Why
	}
	return "not created"
}

func ports(published api.PortPublishers) []string {
	var out []string
	for _, p := range published {
		if p.PublishedPort > 0 {
			out = append(out, fmt.Sprintf("%s:%d->%d/%s", p.URL, p.PublishedPort, p.TargetPort, p.Protocol))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// LogOptions are the choices of Logs.
type LogOptions struct {
	Follow bool
	Tail   string // a number of lines, or "all"
	Since  string // a duration or a time, as docker logs takes it
}

// Logs writes the services' log lines, each after its container's name; with Follow until ctx ends.
func Logs(ctx context.Context, e *engine.Engine, project *types.Project, w io.Writer, o LogOptions) error {
	compose, err := newComposeOn(viewed{e.CLI, logstream.Engine{APIClient: e.APIClient}})
	if err != nil {
		return err
	}
	found, err := container.List(ctx, e, project.Name)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fault.New(fault.Failed, "go tool mage start", "no container of %q to read logs from", project.Name)
	}
	width := 0
	for _, group := range found {
		for _, c := range group {
			width = max(width, len(strings.TrimPrefix(c.Names[0], "/")))
		}
	}
	err = compose.Logs(ctx, project.Name, &logWriter{w: w, width: width}, api.LogOptions{
		Project: project, Services: project.ServiceNames(), Follow: o.Follow, Tail: o.Tail, Since: o.Since,
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("reading logs: %w", err)
	}
	return ctx.Err()
}

// logWriter prints the lines that the Compose library hands over from several goroutines.
type logWriter struct {
	mu    sync.Mutex
	w     io.Writer
	width int
}

// Log prints a line of standard output.
func (l *logWriter) Log(name, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	whose := ui.Cyan(fmt.Sprintf("%-*s | ", l.width, name))
	for line := range strings.SplitSeq(strings.TrimRight(message, "\n"), "\n") {
		ui.LogLine(l.w, whose, line)
	}
}

// Err prints a line of standard error.
func (l *logWriter) Err(name, message string) { l.Log(name, message) }

// Status prints what the library says about a container.
func (l *logWriter) Status(name, message string) { l.Log(name, message) }
