//go:build integration

package integration

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/25eloquence/compose-mage/internal/cleanup"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/status"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// losableEngine is the machine's engine behind a socket that goes away after a number of requests.
type losableEngine struct {
	left   atomic.Int64 // requests that are answered yet
	listen net.Listener
}

// newLosable makes DOCKER_HOST name such an engine until the test ends.
func newLosable(t *testing.T, behind string) *losableEngine {
	t.Helper()
	dir, err := os.MkdirTemp("", "lost")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l := &losableEngine{}
	if l.listen, err = net.Listen("unix", filepath.Join(dir, "s")); err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.FlushInterval = -1
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(behind, "unix://"))
	}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.left.Add(-1) < 0 {
			panic(http.ErrAbortHandler) // closes the connection without a word
		}
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(l.listen) }()
	t.Cleanup(func() { _ = server.Close() })
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(dir, "s"))
	return l
}

// TestIntegrationEngineLostAtAnyRequest loses the engine at one request after another of each target: it ends with 4
// and a next command, or had nothing more to ask for.
func TestIntegrationEngineLostAtAnyRequest(t *testing.T) {
	f := newFixture(t, "compose.yaml", `services:
  db: {image: "IMAGE", stop_grace_period: 1s, healthcheck: {test: [CMD, /probe, health, "0", "0"], interval: 60s}, volumes: ["data:/data"]}
  web:
    image: "IMAGE"
    stop_grace_period: 1s
    depends_on: {db: {condition: service_healthy}}
    healthcheck: {test: [CMD, /probe, health, "0", "0"], interval: 60s}
volumes: {data: {}}
`)
	image := "it-lost:" + f.name
	enginetest.Image(t, f.engine, image, nil)
	f.write("compose.yaml", strings.ReplaceAll(mustRead(t, f, "compose.yaml"), "IMAGE", image))
	project, real := f.load().Project, f.engine
	lost := newLosable(t, real.Host)
	out := ui.New(&f.out)
	stride := int64(numberIn(t, lostStrideVariable, 5))
	for _, target := range []struct {
		name string
		run  func(ctx context.Context, e *engine.Engine) error
	}{
		{"start", func(ctx context.Context, e *engine.Engine) error {
			return lifecycle.Start(ctx, e, project, lifecycle.StartOptions{Out: out})
		}},
		{"restart", func(ctx context.Context, e *engine.Engine) error {
			return lifecycle.Restart(ctx, e, project, lifecycle.RestartOptions{Out: out, All: true})
		}},
		{"status", func(ctx context.Context, e *engine.Engine) error {
			_, err := status.Of(ctx, e, project)
			return err
		}},
		{"monitor", func(ctx context.Context, e *engine.Engine) error {
			_, err := monitor.Take(ctx, e, project, e.Machine())
			return err
		}},
		{"cleanup", func(ctx context.Context, e *engine.Engine) error {
			plan, err := cleanup.MakePlan(ctx, e, project, cleanup.Options{})
			if err == nil {
				err = cleanup.Execute(ctx, e, plan, out)
			}
			return err
		}},
		{"stop", func(ctx context.Context, e *engine.Engine) error {
			return lifecycle.Stop(ctx, e, project, lifecycle.StopOptions{Out: out})
		}},
	} {
		cut := 0
		for n := int64(0); ; n += stride {
			lost.left.Store(1 << 40)
			e := enginetest.Connect(t)
			lost.left.Store(n)
			err := fault.Exit(t.Context(), target.run(t.Context(), e))
			var typed *fault.Error
			if err != nil &&
				(!errors.As(err, &typed) || typed.Code != fault.Engine || !strings.Contains(err.Error(), "next: ")) {
				t.Errorf("%s, lost at request %d: %v", target.name, n, err)
			}
			if err != nil {
				cut++
			} else if lost.left.Load() >= 0 {
				break
			}
			if n > 2000 {
				t.Fatalf("%s never ends", target.name)
			}
		}
		t.Logf("%s: ended %d times by an engine that was lost", target.name, cut)
		if cut == 0 {
			t.Errorf("%s: the engine was never lost", target.name)
		}
	}
}

// lostStrideVariable says how many requests apart TestIntegrationEngineLostAtAnyRequest loses the engine; 5 by
// default, 1 for every one.
const lostStrideVariable = "LOSTSTRIDE"
