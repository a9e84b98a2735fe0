// Command livekit-front stands before LiveKit's HTTP port. LiveKit has no deadlines there, reads bodies of any size
// before it asks who sends them, and takes connections without end; here they have the deadlines and bounds of the
// stack's other services. It starts LiveKit's launcher as a child that listens on loopback alone, and ends with it.
// Tokens stay LiveKit's: what is passed on is passed on as it came. Sound does not come this way.
//
// Environment: LIVEKIT_LAUNCHER (/livekit), and what the launcher reads.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/serve"
)

const (
	// inner is where the launcher has LiveKit listen.
	inner = "http://127.0.0.1:7980"
	// maxBody bounds a request to LiveKit's API, in bytes; joining needs none.
	maxBody = 64 << 10
	// leaveWait is how long LiveKit waits for its participants when it is asked to stop; it would wait for ever.
	leaveWait = 3 * time.Second
	// endWait is how long it may take after that, below what serve grants a stop.
	endWait = 3 * time.Second
)

func main() { serve.Main("livekit", 7880, setup) }

func setup(context.Context) (*serve.Service, error) {
	handler, err := front(inner)
	if err != nil {
		return nil, err
	}
	return &serve.Service{
		Handler: handler,
		// LiveKit answers 406 when its own node statistics have gone stale.
		Check: func(ctx context.Context) (map[string]any, error) { return nil, serve.Probe(ctx, inner+"/") },
		Run: func(ctx context.Context) error {
			launcher := cmp.Or(os.Getenv("LIVEKIT_LAUNCHER"), "/livekit")
			return child(ctx, exec.Command(launcher)) // #nosec G204 G702 -- the operator names it
		},
	}, nil
}

// front passes requests on to the server at address, WebSockets included.
func front(address string) (http.Handler, error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("reading the address of livekit: %w", err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // LiveKit names itself to the client by it
			r.SetXForwarded()
		},
		Transport: &http.Transport{
			MaxIdleConnsPerHost:   64,
			IdleConnTimeout:       30 * time.Second,
			ResponseHeaderTimeout: 30 * time.Second, // a participant's join waits for its room
		},
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil && !serve.FailedBody(w, err) {
				slog.Warn("passing on to livekit", "error", err.Error())
				w.Header().Set("Retry-After", "1")
				serve.Refuse(w, http.StatusBadGateway, "livekit_unavailable", "livekit does not answer; try again")
			}
		},
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > maxBody {
			serve.TooLarge(w, maxBody)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		proxy.ServeHTTP(w, r)
	}), nil
}

// child runs LiveKit until it ends, which is an error, or ctx does: then it is asked to stop, asked again to stop
// with participants in its rooms, and killed.
func child(ctx context.Context, command *exec.Cmd) error {
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting livekit: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait() // how it ended is in its state
	}()
	select {
	case <-ended:
		return fmt.Errorf("livekit has ended by itself: %s", command.ProcessState)
	case <-ctx.Done():
	}
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, leaveWait}, {syscall.SIGTERM, endWait}, {syscall.SIGKILL, time.Second}} {
		_ = command.Process.Signal(step.signal) // it may have ended meanwhile
		select {
		case <-ended:
			return nil
		case <-time.After(step.wait):
		}
	}
	return nil
}
