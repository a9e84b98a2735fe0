package stack

import (
	"context"
	"errors"
	"io"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/logsearch"
	"github.com/25eloquence/compose-mage/internal/orphan"
	"github.com/25eloquence/compose-mage/internal/status"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// StatusOptions are the choices of a status.
type StatusOptions struct {
	Services []string // only these; empty is all, and the orphans
}

// StatusReport is every service's state.
type StatusReport struct {
	Project  string          `json:"project"`
	Fine     bool            `json:"fine"` // every service is as it should be
	Services []ServiceStatus `json:"services"`
	Orphans  []Orphan        `json:"orphans"` // containers of services that the Compose files no longer have
	// Checkouts are other folders with a project of this name that has containers: start, restart, stop and cleanup
	// refuse to touch them.
	Checkouts []Checkout `json:"other_checkouts"`
	Findings  []Finding  `json:"findings"` // scheduled jobs that failed or did not run

	printed printed
	unfit   error
}

// ServiceStatus is one container of a service, or the lack of one.
type ServiceStatus struct {
	Service   string   `json:"service"`
	Fine      bool     `json:"fine"`
	Condition string   `json:"condition"`           // running, healthy, starting, done, scaled to 0, provider, …
	Health    string   `json:"health,omitempty"`    // starting, healthy, unhealthy; empty without a health check
	Status    string   `json:"status"`              // as docker ps has it: "Up 2 minutes (healthy)"
	Container string   `json:"container,omitempty"` // its name; empty where there is none
	Image     string   `json:"image,omitempty"`
	Ports     []string `json:"ports,omitempty"` // published ones: "127.0.0.1:8000->8000/tcp"
	Why       string   `json:"why,omitempty"`   // what is wrong with it
	Next      string   `json:"next,omitempty"`  // the command that helps
}

// Checkout is another folder whose project has this one's name.
type Checkout struct {
	Folder   string   `json:"folder"`
	Services []string `json:"services"` // by name
}

// Print writes a line for each container and one for each service without any, and what is wrong.
func (r StatusReport) Print(w io.Writer) { r.printed.to(w) }

// Err is an error where a service is not as it should be.
func (r StatusReport) Err() error { return r.unfit }

// Status asks the engine for every service's containers. That a service is not as it should be is no error of
// Status, but of the report.
func (s *Stack) Status(ctx context.Context, o StatusOptions) (StatusReport, error) {
	report, err := s.status(ctx, o)
	return report, fault.Exit(ctx, err)
}

func (s *Stack) status(ctx context.Context, o StatusOptions) (StatusReport, error) {
	p, err := s.loadOnly(ctx, o.Services)
	if err != nil {
		return StatusReport{}, err
	}
	p.putRight(ctx)
	report, err := status.Of(ctx, p.engine, p.model.Project)
	if err != nil {
		return StatusReport{}, err
	}
	if len(p.named) == 0 && !p.model.Settings.IgnoreOrphans {
		if report.Orphans, err = orphan.List(ctx, p.engine, p.model.Project); err != nil {
			return StatusReport{}, err
		}
	}
	out, err := shaped[StatusReport](report)
	out.printed = func(to *ui.Out) {
		report.Print(to)
		orphan.Warn(to, report.Orphans)
	}
	if !report.Fine {
		out.unfit = fault.Exit(ctx, fault.New(fault.Failed, report.Next(),
			"not every service of %q is as it should be", p.model.Project.Name))
	}
	return out, err
}

// LogsOptions are the choices of a look at logs.
type LogsOptions struct {
	Services []string // only these; empty is all
	Follow   bool     // go on until ctx is cancelled, which is no error then
	Tail     string   // lines of each container, or "all"; "" is 100, and all where entries are picked or counted
	Since    string   // a duration such as 10m, or a time; "" for all that Tail leaves

	// With any of these, lines of all containers come in the order of time, each with the lines that continue it.
	Grep  string // only entries of which a stretch matches this regular expression of Go
	Level string // only entries of this level or worse: trace, debug, info, warn, error
	JSON  bool   // an object a line
	Group bool   // how often each kind of entry occurs, at the end
}

// Searches says whether the options ask for more than the lines as they are.
func (o LogsOptions) Searches() bool { return logsearch.Request(o).Searches() }

// Validate refuses a tail that is neither a number nor all, a wrong regular expression and a level that does not exist.
func (o LogsOptions) Validate() error { return logsearch.Request(o).Validate() }

// Logs prints the services' logs as they are, each line with its container's name, or what is asked for of them.
func (s *Stack) Logs(ctx context.Context, o LogsOptions) error {
	err := s.logs(ctx, o)
	if o.Follow && errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	return fault.Exit(ctx, err)
}

func (s *Stack) logs(ctx context.Context, o LogsOptions) error {
	if err := o.Validate(); err != nil {
		return err
	}
	p, err := s.loadOnly(ctx, o.Services)
	if err != nil {
		return err
	}
	p.putRight(ctx)
	return logsearch.Print(ctx, p.engine, p.model.Project, p.options.Output, logsearch.Request(o))
}
