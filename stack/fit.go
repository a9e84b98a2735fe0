package stack

import (
	"context"
	"io"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// FitOptions are the choices of a look at what suits the machine.
type FitOptions struct {
	Services []string // these and what they depend on; empty is all
}

// FitReport is what the machine made of the stack.
type FitReport struct {
	Tier     string          `json:"tier"` // "" for none
	Why      string          `json:"why"`
	Machine  Machine         `json:"machine"`
	Services []FittedService `json:"services"` // by name
	Warnings []string        `json:"warnings,omitempty"`

	printed printed
}

// Machine is what an engine can give.
type Machine struct {
	CPUs   int   `json:"cpus"`
	Memory int64 `json:"memory"` // bytes
	GPU    bool  `json:"gpu"`    // an NVIDIA runtime or CDI device is there
	// OpenFiles is the most that a container's nofile limit can be; 0 where that is not known.
	OpenFiles int64 `json:"open_files,omitempty"`
}

// FittedService is what the machine made of one service.
type FittedService struct {
	Service  string    `json:"service"`
	Given    Resources `json:"given"`  // as the Compose files say
	Fitted   Resources `json:"fitted"` // as it is started
	Settings []Setting `json:"settings,omitempty"`
}

// Resources are a service's limits and reservations for one container; 0 means none.
type Resources struct {
	CPUs           float64 `json:"cpus,omitempty"`            // limit, cores
	Memory         int64   `json:"memory,omitempty"`          // limit, bytes
	ReservedCPUs   float64 `json:"reserved_cpus,omitempty"`   // cores
	ReservedMemory int64   `json:"reserved_memory,omitempty"` // bytes
}

// Setting is a variable that a runtime reads, and why it has its value.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Why   string `json:"why"`
}

// Print writes the report as a table, with the settings below it.
func (r FitReport) Print(w io.Writer) { r.printed.to(w) }

// Fit says which tier, limits and settings suit the machine, and why. It changes nothing.
func (s *Stack) Fit(ctx context.Context, o FitOptions) (FitReport, error) {
	report, err := s.fit(ctx, o)
	return report, fault.Exit(ctx, err)
}

func (s *Stack) fit(ctx context.Context, o FitOptions) (FitReport, error) {
	p, err := s.loadToStart(ctx, o.Services)
	if err != nil {
		return FitReport{}, err
	}
	fitted := p.model.Explain(p.engine.Machine())
	out, err := shaped[FitReport](fitted)
	out.printed = func(to *ui.Out) { fitted.Print(to) }
	return out, err
}
