package registry

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSilent asks registries that answer, that never do, and one that answers one question after the other: the last
// has then waited for longer than a registry may be silent.
func TestSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reported []string
		p := NewProbe(10*time.Second, func(registry string) { reported = append(reported, registry) })
		one, begun := make(chan struct{}, 1), time.Now()
		p.all(context.Background(), []string{
			"quick.test/a", "silent.test/a", "silent.test/b:tag", "slow.test/a", "slow.test/b", "slow.test/c",
			"slow.test/d", "not a reference",
		}, func(ctx context.Context, ref string) {
			switch {
			case strings.HasPrefix(ref, "silent.test"):
				<-ctx.Done()
			case strings.HasPrefix(ref, "slow.test"):
				one <- struct{}{}
				time.Sleep(4 * time.Second)
				<-one
			}
		})
		for ref, want := range map[string]bool{
			"quick.test/a": false, "silent.test/other": true, "slow.test/d": false,
			"never.test/asked": false, "": false,
		} {
			if p.Silent(ref) != want {
				t.Errorf("%q: silent %v", ref, !want)
			}
		}
		if !slices.Equal(reported, []string{"silent.test"}) {
			t.Errorf("reported %q", reported)
		}
		if took := time.Since(begun); took != 16*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// TestEndOfTheRun gives up what is asked when the run ends, which says nothing of the registry.
func TestEndOfTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := NewProbe(time.Minute, func(string) { t.Error("reported") })
	p.all(ctx, []string{"silent.test/a"}, func(ctx context.Context, _ string) {
		cancel()
		<-ctx.Done()
	})
	if p.Silent("silent.test/a") {
		t.Error("it is silent")
	}
}
