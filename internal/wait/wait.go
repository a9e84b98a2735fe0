// Package wait owns waiting for a time that a context may cut short.
package wait

import (
	"context"
	"time"
)

// For blocks for d, or until ctx ends, which is the error.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
