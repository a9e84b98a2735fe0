package targets

import (
	"context"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack"
	"github.com/25eloquence/compose-mage/stack/measured"
)

// Fit shows the tier, limits and settings that suit this machine.
//
// Each service's limits and reservations as the Compose files have them and as they are started, the variables that its
// runtimes get from them, and why. It changes nothing. With -measured it shows the memory limits and settings that
// follow from what monitor -serve or -watch recorded, and -write makes a Compose file of them.
func Fit(ctx context.Context,
	services *string, // comma-separated services and what they depend on; all by default
	measured *bool, // what follows from what was recorded of the services' memory
	least *time.Duration, // with -measured, how much history a service needs; 1h by default
	write *string, // with -measured, the Compose file that is made; none by default
	json *bool, // print JSON
) error {
	if value(measured, false) {
		return fault.Exit(ctx, fitMeasured(ctx, services, value(least, 0), value(write, ""), value(json, false)))
	}
	if least != nil || write != nil {
		return fault.Exit(ctx, fault.New(fault.Usage, "go tool mage fit -measured",
			"-least and -write go with -measured"))
	}
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

func fitMeasured(ctx context.Context, services *string, least time.Duration, write string, asJSON bool) error {
	o := measured.Options{Least: least, Write: write}
	var err error
	if o.Services, err = names(services); err != nil {
		return err
	}
	report, err := measured.Fit(ctx, o)
	if err != nil {
		return err
	}
	return show(report, asJSON)
}
