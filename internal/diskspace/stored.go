package diskspace

import (
	"context"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// busyWait bounds the wait for another reader of the engine's disk usage; with many volumes one takes its time.
const busyWait = time.Minute

// Stored asks the engine what it stores, as docker system df does. Engines up to 20.10 refuse a second such question
// while one is being answered ("a disk usage operation is already running"): that is waited out.
func Stored(ctx context.Context, api interface {
	DiskUsage(context.Context, client.DiskUsageOptions) (client.DiskUsageResult, error)
}, opts client.DiskUsageOptions,
) (client.DiskUsageResult, error) {
	for deadline := time.Now().Add(busyWait); ; {
		use, err := api.DiskUsage(ctx, opts)
		if err == nil || !fault.DiskUsageRunning(err) || time.Now().After(deadline) {
			return use, err
		}
		select {
		case <-ctx.Done():
			return use, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
