package targets

import (
	"context"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack"
)

// Monitor shows CPU, memory, health, restarts, OOM kills and disk use.
//
// One snapshot by default, with what is wrong and what to do about it. With -disk it lists what the engine stores
// instead: every image, container, volume, network and build cache, of all projects.
func Monitor(ctx context.Context,
	services *string, // comma-separated services; all by default
	watch *bool, // go on until Ctrl-C
	every *time.Duration, // between snapshots; 2s by default
	disk *bool, // list what is stored, by size and owner
	json *bool, // print the snapshot or the list as JSON
) error {
	o := stack.MonitorOptions{Every: value(every, 0)}
	if !value(disk, false) {
		return fault.Exit(ctx, monitor(ctx, services, o, value(watch, false), value(json, false)))
	}
	if services != nil || value(watch, false) {
		return fault.Exit(ctx, fault.New(fault.Usage, "go tool mage monitor -disk",
			"-disk lists what the engine stores for all projects, once"))
	}
	return fault.Exit(ctx, showDisk(ctx, value(json, false)))
}

func monitor(ctx context.Context, services *string, o stack.MonitorOptions, watch, asJSON bool) (err error) {
	if o.Services, err = names(services); err != nil {
		return err
	}
	s, err := openJSON(ctx, asJSON && !watch)
	if err != nil {
		return err
	}
	if watch {
		return s.Watch(ctx, o)
	}
	snapshot, err := s.Monitor(ctx, o)
	if err != nil {
		return err
	}
	return show(snapshot, asJSON)
}

func showDisk(ctx context.Context, asJSON bool) error {
	s, err := openJSON(ctx, asJSON)
	if err != nil {
		return err
	}
	report, err := s.Disk(ctx)
	if err != nil {
		return err
	}
	return show(report, asJSON)
}
