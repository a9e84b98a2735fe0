package projects

import (
	"context"
	"time"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// Watch takes a report every so often until ctx ends, which is no error: redrawn in place on a terminal, appended as
// lines elsewhere. An engine that goes away is an error.
func Watch(ctx context.Context, api API, options func() Options, every time.Duration, out *ui.Out) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		r, err := Take(ctx, api, options())
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case out.Terminal():
			out.Redraw(r.Print)
		default:
			r.PrintLine(out)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
