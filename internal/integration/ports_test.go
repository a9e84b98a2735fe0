//go:build integration

package integration

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// A published port that nobody listens on costs one start its patience: not the next one of what runs, and hardly the
// one after that.
func TestIntegrationAPortWithoutAListenerIsWaitedForOnce(t *testing.T) {
	image := "image: " + enginetest.Base(t) + ", init: true, command: [sleep, '1000'], stop_grace_period: 1s"
	f := newFixture(t, "compose.yaml", `services:
  nobody: {`+image+`, ports: ["127.0.0.1::9229"]}
  said: {`+image+`, ports: ["127.0.0.1::9229"], x-compose-mage: {ready: started}}
  udp: {`+image+`, ports: ["127.0.0.1::9229/udp"]}
  one-of-two: {build: ., image: "it-two:${COMPOSE_PROJECT_NAME}", ports: ["127.0.0.1::8080", "127.0.0.1::9229"]}
`).withService()
	f.mustBuild()
	memory := filepath.Join(t.TempDir(), "starts.json")
	start := func() time.Duration {
		t.Helper()
		f.out.Reset()
		began := time.Now()
		if err := lifecycle.Start(context.Background(), f.engine, f.load().Project,
			lifecycle.StartOptions{Out: ui.New(&f.out), SilentPorts: memory}); err != nil {
			t.Fatalf("%v\n%s", err, f.out.String())
		}
		return time.Since(began)
	}
	warned := func() int { return strings.Count(f.out.String(), "nothing listens on its port 9229") }
	const patience = 30 * time.Second
	if os.Getenv("PORTS") != "" { // the long form waits for the port; the short one begins where that is remembered
		if took := start(); took < patience || warned() != 1 ||
			!strings.Contains(f.out.String(), "nobody-1: after 30s") {
			t.Errorf("the first start took %s and warned %d times:\n%s", took, warned(), f.out.String())
		}
	} else {
		if err := os.WriteFile(memory, []byte(`{"services": {"nobody": {"silent": true}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		start()
	}
	if took := start(); took > patience/2 || warned() != 0 {
		t.Errorf("a start of what runs took %s and warned %d times:\n%s", took, warned(), f.out.String())
	}
	if err := lifecycle.Stop(context.Background(), f.engine, f.load().Project,
		lifecycle.StopOptions{Out: ui.New(&f.out)}); err != nil {
		t.Fatal(err)
	}
	if took := start(); took > patience/2 || warned() != 1 {
		t.Errorf("a start of what was stopped took %s and warned %d times:\n%s", took, warned(), f.out.String())
	}
}
