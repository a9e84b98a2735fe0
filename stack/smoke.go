package stack

import (
	"context"

	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/smoke"
)

// SmokeOptions are the choices of a smoke test.
type SmokeOptions struct {
	Optional bool // a stack that names no smoke test passes
}

// SmokeReport is what a smoke test measured.
type SmokeReport struct {
	Answer map[string]any `json:"answer"` // the JSON object that its command printed; nil where there is no smoke test
}

// Smoke proves that the started stack does its job: it runs the command that the Compose file names under smoke in
// a service's container, prints what that measured and holds it against the least values that the file names.
func (s *Stack) Smoke(ctx context.Context, o SmokeOptions) (SmokeReport, error) {
	report, err := s.smoke(ctx, o)
	return report, fault.Exit(ctx, err)
}

func (s *Stack) smoke(ctx context.Context, o SmokeOptions) (SmokeReport, error) {
	p, err := s.loadWhole(ctx)
	if err != nil {
		return SmokeReport{}, err
	}
	if _, has := extension.SmokeTest(p.model.Project); !has && o.Optional {
		return SmokeReport{}, nil
	}
	answer, err := smoke.Run(ctx, p.engine, p.model.Project, p.out)
	return SmokeReport{Answer: answer}, err
}
