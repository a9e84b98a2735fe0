// Package status owns what is said of a project's services as they are now: their containers and whether each is as
// it should be, and whether the engine put their limits in force.
package status

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/evidence"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/jobs"
	"github.com/25eloquence/compose-mage/internal/orphan"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Report is what was found.
type Report struct {
	Project  string             `json:"project"`
	Fine     bool               `json:"fine"` // every service is as it should be
	Services []Service          `json:"services"`
	Orphans  []orphan.Container `json:"orphans"` // containers of services that the Compose files no longer have
	// Checkouts are other folders with a project of this name that has containers: start, restart, stop and cleanup
	// refuse to touch them.
	Checkouts []container.Checkout `json:"other_checkouts"`
	Findings  []finding.Finding    `json:"findings"` // scheduled jobs that failed or did not run

	verdicts []container.Verdict // on the services that are not
	project  *types.Project
}

// Service is one container of a service, or the lack of one.
type Service struct {
	Service   string              `json:"service"`
	Fine      bool                `json:"fine"`
	Condition container.Condition `json:"condition"`           // running, healthy, starting, done, scaled to 0, …
	Health    string              `json:"health,omitempty"`    // starting, healthy, unhealthy; empty without a check
	Status    string              `json:"status"`              // as docker ps has it: "Up 2 minutes (healthy)"
	Container string              `json:"container,omitempty"` // its name; empty where there is none
	Image     string              `json:"image,omitempty"`
	Ports     []string            `json:"ports,omitempty"` // published ones: "127.0.0.1:8000->8000/tcp"
	Why       string              `json:"why,omitempty"`   // what is wrong with it
	Next      string              `json:"next,omitempty"`  // the command that helps
}

// Of asks the engine for every service's containers. The report is fine where every service is as it should be.
func Of(ctx context.Context, e *engine.Engine, project *types.Project) (Report, error) {
	report := Report{
		Project:  project.Name,
		Fine:     true,
		Services: []Service{},
		Orphans:  []orphan.Container{},
		Findings: append([]finding.Finding{}, jobs.Findings(project.Name, project.WorkingDir, time.Now())...),
		project:  project,
	}
	library, err := composelib.New(e)
	if err != nil {
		return report, err
	}
	others, err := container.Checkouts(ctx, e, project)
	if err != nil {
		return report, err
	}
	report.Checkouts = append([]container.Checkout{}, others...)
	all, err := library.Ps(ctx, project.Name, api.PsOptions{Project: project, All: true})
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
	evidence.Explain(ctx, e, evidence.At(e), evidence.Each(found))
	for _, v := range container.JudgeAll(project, found, e.Now()) {
		if !v.Fine {
			report.Fine = false
			report.verdicts = append(report.verdicts, v)
		}
		for _, o := range v.Each {
			c := listed[o.Container]
			report.Services = append(report.Services, Service{
				Service: v.Service, Fine: o.Fine, Condition: o.Condition, Why: o.Why, Next: o.Next,
				Container: o.Container,
				Health: string(
					c.Health,
				), Status: cmp.Or(c.Status, string(o.Condition)), // it came after the list was made
				Image: c.Image, Ports: ports(c.Publishers),
			})
		}
		if len(v.Each) == 0 || !v.Fine && v.Container == "" { // too few or too many are no container's fault
			report.Services = append(report.Services, Service{
				Service: v.Service, Fine: v.Fine, Condition: v.Condition,
				Status: without(project.Services[v.Service], v), Why: v.Why, Next: v.Next,
			})
		}
	}
	return report, nil
}

// Next is the command that helps where the report is not fine.
func (r Report) Next() string {
	if len(r.verdicts) == 0 {
		return ""
	}
	return r.verdicts[0].Next
}

// Print writes a line per container and one for each service without any, and what is wrong.
func (r Report) Print(out *ui.Out) {
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
	for _, f := range r.Findings {
		out.Warn("%s", f.Evidence)
		out.Info("  next: %s", f.Remedy)
	}
	for _, s := range r.Services {
		if s.Fine && s.Why != "" {
			out.Info("%s %s", s.Container, s.Why)
		}
	}
	for _, v := range r.verdicts {
		out.Warn("%s", v.Says())
		out.Info("  next: %s", v.Next)
	}
}

// coloured is what the engine says of a container, by whether that is as it should be.
func (s Service) coloured() string {
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
