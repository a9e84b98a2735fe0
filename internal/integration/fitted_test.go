//go:build integration

package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/status"
)

// The engine says what it applied: what it was asked for is in force, and what was changed behind our back is found.
func TestIntegrationMisfitsAreFound(t *testing.T) {
	f := newFixture(t, "compose.yaml", `services:
  web: {build: ., deploy: {resources: {limits: {memory: 64M, cpus: "0.5"}, reservations: {memory: 32M}}}}
`).withService()
	f.mustBuild()
	ctx := context.Background()
	if err := f.start(ctx); err != nil {
		t.Fatalf("%v\n%s", err, f.out.String())
	}
	project := f.load().Project
	found, err := status.Misfits(ctx, f.engine, project)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(found, "\n")
	if strings.Contains(text, "is not in force") {
		t.Errorf("what the engine applied is said to be missing:\n%s", text)
	}
	// A kernel that does not count swap is told of, and only that.
	if got, want := strings.Contains(text, "web: swap is not limited"), !f.engine.Info.SwapLimit; got != want {
		t.Errorf("swap is limited: %v; got %q", !want, text)
	}
	web := project.Services["web"]
	web.Deploy.Resources.Limits.MemoryBytes = 128 << 20
	web.Deploy.Resources.Reservations.MemoryBytes = 1 << 50
	project.Services["web"] = web
	if found, err = status.Misfits(ctx, f.engine, project); err != nil {
		t.Fatal(err)
	}
	contains(t, strings.Join(found, "\n"), "the memory reservations add up to 1PiB, above the machine's",
		fmt.Sprintf("web: memory limit %s is not in force, the engine has %s", "128MiB", "64MiB"))
}
