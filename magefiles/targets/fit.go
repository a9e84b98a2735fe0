package targets

import (
	"context"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack"
)

// Fit shows the tier, limits and settings that suit this machine.
//
// Each service's limits and reservations as the Compose files have them and as they are started, the variables that its
// runtimes get from them, and why. It changes nothing.
func Fit(ctx context.Context,
	services *string, // comma-separated services and what they depend on; all by default
	json *bool, // print JSON
) error {
	return fault.Exit(ctx, fit(ctx, services, value(json, false)))
}

func fit(ctx context.Context, services *string, asJSON bool) error {
	named, err := names(services)
	if err != nil {
		return err
	}
	s, err := openJSON(ctx, asJSON)
	if err != nil {
		return err
	}
	report, err := s.Fit(ctx, stack.FitOptions{Services: named})
	if err != nil {
		return err
	}
	return show(report, asJSON)
}
