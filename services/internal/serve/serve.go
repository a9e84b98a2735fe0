// Package serve is the shell every service of the stack runs in: an HTTP server with
// /health, JSON logs, a graceful stop on SIGTERM and SIGINT, secrets read from files, and
// the -health flag that container health checks call. It owns no routes but /health, and what
// holds for every route: under which names the service is asked, from which origins, at what
// least pace, over how many connections, and with which token.
package serve

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/idle"
)

// Version is what /health and the logs report; set it with
// -ldflags "-X github.com/25eloquence/compose-mage/services/internal/serve.Version=…".
var Version = "dev"

const (
	// stopGrace stays below Docker's ten seconds between SIGTERM and SIGKILL.
	stopGrace = 8 * time.Second
	// checkTimeout bounds one /health answer, below the 3 s of the container health checks.
	checkTimeout = 2 * time.Second
)

// Service is what a program hands to Main once it is configured.
type Service struct {
	// Handler serves every path but /health; nil serves nothing else.
	Handler http.Handler
	// Check answers whether the service is ready, within two seconds. Its details go into
	// /health either way; an error turns the answer into a 503 that gives the error as the
	// reason. nil means always ready.
	Check func(ctx context.Context) (details map[string]any, err error)
	// Run works beside the HTTP server until ctx ends; returning an error stops the service,
	// returning nil early does not. nil for a pure HTTP service.
	Run func(ctx context.Context) error
	// Close releases what setup opened; it is called last, after HTTP and Run have ended.
	Close func() error
}

// Main is the whole main function of a service: it answers the -health flag, sets up JSON
// logs on stderr, calls setup, listens on port (or $PORT) and serves until SIGTERM, SIGINT or
// a failure, then exits with 0 or 1. setup must return quickly: load what is slow in
// Service.Run and let Service.Check say "not yet".
func Main(name string, port int, setup func(ctx context.Context) (*Service, error)) {
	health := flag.Bool("health", false, "ask the running service for its health and exit 0 or 1")
	flag.Parse()
	port, err := listenPort(port)
	if err == nil && *health {
		err = Probe(context.Background(), fmt.Sprintf("http://127.0.0.1:%d/health", port))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: logLevel()})).
		With("service", name))
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		err = start(ctx, name, port, setup)
		stop()
	}
	if err != nil {
		slog.Error("stopped", "error", err.Error())
		os.Exit(1)
	}
}

func start(ctx context.Context, name string, port int, setup func(context.Context) (*Service, error)) error {
	service, err := setup(ctx)
	if err != nil {
		return fmt.Errorf("setting up %s: %w", name, err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("listening on port %d: %w", port, err)
	}
	return Serve(ctx, name, listener, service)
}

// Serve runs the service on listener until ctx ends or the service fails, then stops it
// gracefully. A stop that was asked for through ctx is no error.
func Serve(ctx context.Context, name string, listener net.Listener, service *Service) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	server := &http.Server{
		Handler:           routes(name, service),
		ReadHeaderTimeout: grace,
		MaxHeaderBytes:    16 << 10,
		IdleTimeout:       30 * time.Second,
		ConnState:         newConnections(mostConnections).changed,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
	served, ran := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			cancel(fmt.Errorf("serving http: %w", err))
		}
	}()
	go func() {
		defer close(ran)
		if service.Run == nil {
			return
		}
		if err := service.Run(ctx); err != nil && ctx.Err() == nil {
			cancel(err)
		}
	}()
	go idle.GiveBack(ctx)
	slog.Info("listening", "address", listener.Addr().String(), "version", version())
	<-ctx.Done()
	slog.Info("stopping")
	return stop(ctx, server, service, served, ran)
}

func stop(ctx context.Context, server *http.Server, service *Service, served, ran <-chan struct{}) error {
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	var failures []error
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		failures = append(failures, cause)
	}
	if err := server.Shutdown(grace); err != nil {
		failures = append(failures, fmt.Errorf("stopping http: %w", err))
		_ = server.Close() // the grace is over: cut what is left
	}
	<-served
	select {
	case <-ran:
	case <-grace.Done():
		failures = append(failures, fmt.Errorf("stopping: still busy after %s", stopGrace))
	}
	if service.Close != nil {
		failures = append(failures, service.Close())
	}
	return errors.Join(failures...)
}

func listenPort(port int) (int, error) {
	text := os.Getenv("PORT")
	if text == "" {
		return port, nil
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return 0, fmt.Errorf("reading PORT: %q is not a port number", text)
	}
	return port, nil
}

func logLevel() slog.Level {
	var level slog.Level // info unless LOG_LEVEL names another
	if err := level.UnmarshalText([]byte(os.Getenv("LOG_LEVEL"))); err != nil {
		return slog.LevelInfo
	}
	return level
}

// version prefers what the linker set over the revision go build stamped.
func version() string {
	if Version != "dev" {
		return Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Version
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return Version
}
