package targets

import (
	"context"
	"os"

	"github.com/25eloquence/compose-mage/internal/fault"
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
	s, err := open(ctx, services)
	if err != nil {
		return err
	}
	fitted := s.stack.Explain(s.engine.Machine())
	if !asJSON {
		fitted.Print(s.out)
		return nil
	}
	return writeJSON(os.Stdout, fitted)
}
