package targets

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/monitor"
)

// Monitor shows CPU, memory, health, restarts, OOM kills and disk use.
//
// One snapshot by default, with what is wrong and what to do about it.
func Monitor(ctx context.Context,
	services *string, // comma-separated services; all by default
	watch *bool, // go on until Ctrl-C
	every *time.Duration, // between snapshots; 2s by default
	json *bool, // print the snapshot as JSON
) error {
	return fault.Exit(ctx, watchStack(ctx, services, value(watch, false), value(every, 2*time.Second), value(json, false)))
}

func watchStack(ctx context.Context, services *string, watch bool, every time.Duration, asJSON bool) error {
	s, err := openOnly(ctx, services)
	if err != nil {
		return err
	}
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
	text, err := json.MarshalIndent(snapshot, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the snapshot as JSON: %w", err)
	}
	_, err = fmt.Fprintln(os.Stdout, string(text))
	return err
}
