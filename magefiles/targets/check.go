package targets

import (
	"context"
	"io"
	"os"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack"
)

// Check looks for what would make a build or a start fail.
//
// Engine, builder, registry, disk, memory and CPUs, then the Compose files: build contexts, images, secrets, networks,
// volumes, devices, limits, names, ports, logs. Each with what was found and the remedy. It changes nothing.
func Check(ctx context.Context,
	services *string, // comma-separated services; all by default
	json *bool, // print JSON
) error {
	return fault.Exit(ctx, check(ctx, services, value(json, false)))
}

func check(ctx context.Context, services *string, asJSON bool) error {
	named, err := names(services)
	if err != nil {
		return err
	}
	o := stack.Options{}
	if asJSON {
		o.Output = io.Discard // the findings are printed as JSON
	}
	s, err := openWith(ctx, o)
	if err != nil {
		return err
	}
	report, err := s.Check(ctx, stack.CheckOptions{Services: named})
	if err != nil {
		return err
	}
	if asJSON {
		if err := writeJSON(os.Stdout, report); err != nil {
			return err
		}
	}
	return report.Err()
}
