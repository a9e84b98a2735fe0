package targets

import (
	"context"
	"os"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/25eloquence/compose-mage/internal/cleanup"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/provision"
)

// Monitor shows CPU, memory, health, restarts, OOM kills and disk use.
//
// One snapshot by default, with what is wrong and what to do about it. With -disk it lists what the engine stores instead: every
// image, container, volume, network and build cache, of all projects.
func Monitor(ctx context.Context,
	services *string, // comma-separated services; all by default
	watch *bool, // go on until Ctrl-C
	every *time.Duration, // between snapshots; 2s by default
	disk *bool, // list what is stored, by size and owner
	json *bool, // print the snapshot or the list as JSON
) error {
	if value(disk, false) {
		if services != nil || value(watch, false) {
			return fault.Exit(ctx, fault.New(fault.Usage, "go tool mage monitor -disk", "-disk lists what the engine stores for all projects, once"))
		}
		return fault.Exit(ctx, showDisk(ctx, value(json, false)))
	}
	return fault.Exit(ctx, watchStack(ctx, services, value(watch, false), value(every, 2*time.Second), value(json, false)))
}

func watchStack(ctx context.Context, services *string, watch bool, every time.Duration, asJSON bool) error {
	s, err := openOnly(ctx, services)
	if err != nil {
		return err
	}
	s.putRight(ctx)
	if watch {
		return monitor.Watch(ctx, s.engine, s.stack.Project, s.engine.Machine(), s.out, every)
	}
	snapshot, err := monitor.Take(ctx, s.engine, s.stack.Project, s.engine.Machine())
	if err != nil {
		return err
	}
	if !asJSON {
		snapshot.Print(s.out)
		return nil
	}
	return writeJSON(os.Stdout, snapshot)
}

func showDisk(ctx context.Context, asJSON bool) error {
	s, err := open(ctx, nil)
	if err != nil {
		return err
	}
	var cache monitor.BuildCache
	if address := s.builderAddress(); address != "" && address != provision.EngineBuilder {
		// A builder that is gone has no cache worth failing for.
		if builders, err := s.connectBuilders(ctx); err == nil {
			var clients []*client.Client
			for _, b := range builders {
				defer b.Close()
				clients = append(clients, b.Client)
			}
			cache = cleanup.OnBuildKit(clients...)
		}
	}
	report, err := monitor.TakeDisk(ctx, s.engine, cache)
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(os.Stdout, report)
	}
	report.Print(s.out)
	return nil
}
