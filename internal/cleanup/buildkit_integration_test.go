//go:build integration

package cleanup

import (
	"context"
	"net"
	"testing"

	"github.com/moby/buildkit/client"
	mobyclient "github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// TestOnBuildKit talks to the BuildKit inside the engine, the one that is surely there. Its cache is everyone's, so
// the budget is one that nothing exceeds; what a smaller one frees is the engine's own arithmetic.
func TestOnBuildKit(t *testing.T) {
	e := enginetest.Connect(t)
	c, err := client.New(t.Context(), "",
		client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return e.DialHijack(ctx, "/grpc", "h2c", nil)
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := OnBuildKit(c)
	var used int64
	// others build meanwhile
	enginetest.Until(t, 20e9, "the builder and system df to agree on the cache's size", func() bool {
		if used, err = b.Usage(t.Context()); err != nil {
			t.Fatal(err)
		}
		use, err := e.DiskUsage(t.Context(), mobyclient.DiskUsageOptions{BuildCache: true})
		if err != nil {
			return false
		}
		return use.BuildCache.TotalSize == used
	})
	if freed, err := b.Prune(t.Context(), 1<<60); err != nil || freed != 0 {
		t.Errorf("a budget of 1 EiB freed %d of %d bytes: %v", freed, used, err)
	}
}
