// Package serve owns the process of monitor -serve: one observer of a project, and all that follow it, with the address
// at which they are asked.
package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/alert"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/metrics"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/page"
	"github.com/25eloquence/compose-mage/internal/record"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/wait"
)

// Options say what is watched, and how that is shown.
type Options struct {
	Engine *engine.Engine
	Model  *compose.Model
	Named  []string // the Compose files as they were named; empty where they were found
	Out    *ui.Out
	// Listen is the address of the page: host and port. "" is 127.0.0.1 and a port that is free, or that of the server
	// which ended a moment ago.
	Listen string
	Every  time.Duration // between two looks
	Logs   bool          // the page shows the services' logs, too
	Test   bool          // instead, those who get alerts are told once that it is a test
}

// engineRetry is how long after its loss the engine is asked again.
const engineRetry = 2 * time.Second

// Run watches the project and answers until ctx ends, which is no error. It prints the page's address, with the token
// without which nobody gets anything. Where the engine goes away the page says so.
func Run(ctx context.Context, o Options) error {
	if o.Test {
		return testAlerts(ctx, o.Model.Project, o.Out)
	}
	place, err := page.Take(o.Model.Project.Name)
	if errors.Is(err, syscall.ENOSPC) {
		o.Out.Warn("%s", err)
		place, err = page.Nowhere(), nil
	}
	if err != nil {
		return err
	}
	defer place.Leave()
	listener, err := listen(ctx, o.Listen, place.Before.Address)
	if err != nil {
		return err
	}
	defer listener.Close()
	w := &watching{Options: o, place: place, listener: listener}
	w.observer = monitor.NewObserver(o.Engine, o.Model.Project, o.Engine.Machine(), o.Every)
	return record.While(ctx, o.Model.Project.Name, w.observer, o.Out, false, func(r *record.Recorder) error {
		return w.run(ctx, r)
	})
}

// testAlerts tells those who get alerts that it is a test, and says who was told.
func testAlerts(ctx context.Context, project *types.Project, out *ui.Out) error {
	receivers := alert.Receivers(project)
	if len(receivers) == 0 {
		return fault.New(fault.Config, "docs/alerts.md has an example",
			"the Compose file names nobody who gets alerts: %s.alerts", extension.Key)
	}
	told, err := alert.Test(ctx, project.Name, receivers)
	for _, name := range told {
		out.Done("the %s was told", name)
	}
	if err != nil {
		return fault.New(fault.Failed, "go tool mage monitor -test-alerts, once that is put right", "%w", err)
	}
	return nil
}

// watching is the process of monitor -serve: one observer, and all that follow it.
type watching struct {
	Options
	place    *page.Place
	listener net.Listener
	observer *monitor.Observer
	server   *page.Server
}

func (w *watching) run(ctx context.Context, past page.History) error {
	r := w.record()
	if err := w.place.Keep(r); err != nil {
		w.Out.Warn("looks do not find this server, which goes on: %s", err)
	}
	exporter := metrics.New(w.observer, w.Every)
	alerts, err := alert.Open(r.Project, alert.Receivers(w.Model.Project))
	if err != nil {
		return err
	}
	w.observer.Also(alerts.Findings)
	about := page.Options{
		Project: r.Project, Address: w.listener.Addr().String(), Token: r.Token, Every: w.Every,
		From: w.observer, Handlers: map[string]http.Handler{"/metrics": exporter}, History: past,
	}
	if w.Logs {
		about.Logs = w.logs
	}
	w.server = page.New(about)
	w.say(r)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.server.Serve(ctx, w.listener) })
	group.Go(func() error { w.server.Run(ctx); return nil })
	group.Go(func() error { exporter.Run(ctx); return nil })
	group.Go(func() error { alerts.Run(ctx, w.observer); return nil })
	group.Go(func() error { w.observe(ctx); return nil })
	group.Go(func() error {
		for wait.For(ctx, page.AliveEvery) == nil {
			w.place.Mark()
		}
		return nil
	})
	return group.Wait()
}

// observe looks again and again, also after the engine was away.
func (w *watching) observe(ctx context.Context) {
	for {
		err := w.observer.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		w.server.Engine(err)
		if wait.For(ctx, engineRetry) != nil {
			return
		}
	}
}

// record is what others of this user find the server by. The address and the token of a server that ended a moment
// ago stay, so that a page which is open connects again.
func (w *watching) record() page.Record {
	r := page.Record{
		Project: w.Model.Project.Name, Of: page.Caller(w.Named), Address: asked(w.listener.Addr().String()),
		Token: page.NewToken(), Started: time.Now().Truncate(time.Second), Every: w.Every.Seconds(),
	}
	if before := w.place.Before; before.Address == r.Address {
		r.Token = before.Token
	}
	dirs := []string{w.Model.Project.WorkingDir}
	if here, err := os.Getwd(); err == nil {
		dirs = append(dirs, here)
	}
	files := slices.Clone(w.Model.Looked)
	for _, dir := range dirs {
		for _, name := range []string{
			".env", "compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml", "compose.override.yaml",
			"compose.override.yml", "docker-compose.override.yaml", "docker-compose.override.yml",
		} {
			files = append(files, filepath.Join(dir, name))
		}
	}
	slices.Sort(files)
	for _, file := range slices.Compact(files) {
		r.Files = append(r.Files, page.StampOf(file))
	}
	r.Variables = page.VariablesOf(r.Files)
	return r
}

func (w *watching) say(r page.Record) {
	w.Out.Title("watching %s every %s, until Ctrl-C", r.Project, w.Every)
	w.Out.Info("open %s", page.URL(r.Address, r.Token))
	w.Out.Info("whoever has this address sees the page; other programs send the token: Authorization: Bearer …")
	if !page.Loopback(w.listener.Addr().String()) {
		w.Out.Warn("it listens on %s, for other machines too, and in plain HTTP: whoever is on the way reads the token",
			w.listener.Addr().String())
	}
}

// listen takes the address that is asked for, else the one that the server before had, else a free port.
func listen(ctx context.Context, address, before string) (net.Listener, error) {
	var config net.ListenConfig
	if address == "" && page.Loopback(before) {
		if l, err := config.Listen(ctx, "tcp", before); err == nil {
			return l, nil
		}
	}
	if address == "" {
		address = "127.0.0.1:0"
	}
	if host, _, err := net.SplitHostPort(address); err != nil || host == "" {
		return nil, fault.New(fault.Usage, "go tool mage monitor -serve -listen=127.0.0.1:8090",
			"%q is no address to listen on: host and port, such as 127.0.0.1:8090 or 0.0.0.0:8090", address)
	}
	l, err := config.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fault.New(fault.Resources, "go tool mage monitor -serve, on a port that is free",
			"listening on %q: %w", address, err)
	case err != nil:
		return nil, fault.New(fault.Failed, "", "listening on %q: %w", address, err)
	}
	return l, nil
}

// asked is the address by which this machine asks a server that listens on an address.
func asked(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}
