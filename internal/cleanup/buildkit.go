package cleanup

import (
	"context"
	"fmt"

	"github.com/moby/buildkit/client"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// OnBuildKit makes a Builder of connections to BuildKit (image.Connect gives one); a budget is shared among them.
func OnBuildKit(clients ...*client.Client) Builder { return buildKits(clients) }

type buildKits []*client.Client

func (b buildKits) Usage(ctx context.Context) (int64, error) {
	total := int64(0)
	for _, c := range b {
		records, err := c.DiskUsage(ctx)
		if err != nil {
			return 0, fmt.Errorf("asking the builder for the size of its cache: %w", err)
		}
		for _, r := range records {
			if !r.Shared { // shared records are held by images or by another record too
				total += r.Size
			}
		}
	}
	return total, nil
}

func (b buildKits) Prune(ctx context.Context, keepBytes int64) (int64, error) {
	total := int64(0)
	for _, c := range b {
		freed, err := prune(ctx, c, keepBytes/int64(len(b)))
		total += freed
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func prune(ctx context.Context, c *client.Client, keepBytes int64) (int64, error) {
	dropped := make(chan client.UsageInfo)
	freed := make(chan int64)
	go func() {
		total := int64(0)
		for r := range dropped {
			total += r.Size
		}
		freed <- total
	}()
	// All: internal and frontend records count towards the budget too, so they must be able to go.
	err := c.Prune(ctx, dropped, client.PruneAll, client.WithKeepOpt(0, keepBytes, 0, 0))
	close(dropped)
	total := <-freed
	if fault.BuilderLost(err) && ctx.Err() == nil {
		return total, fault.New(fault.Builder, "go tool mage setup",
			"pruning the builder's cache: the builder went away: %w",
			err)
	}
	if err != nil {
		return total, fmt.Errorf("pruning the builder's cache: %w", err)
	}
	return total, nil
}
