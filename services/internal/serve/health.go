package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Health is the body of /health. Status is "ok" with HTTP 200 or "unavailable" with 503, when
// Reason says why.
type Health struct {
	Status  string         `json:"status"`
	Service string         `json:"service"`
	Version string         `json:"version"`
	Reason  string         `json:"reason,omitempty"`
	Details map[string]any `json:"details"`
}

// Probe asks url for its health; it returns nil for a 200 and otherwise an error that gives the
// status and the start of the answer.
func Probe(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout+500*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 1024)) // the status alone is enough to fail
	return fmt.Errorf("asking for health: %s: %s", answer.Status, strings.TrimSpace(string(body)))
}

func routes(name string, service *Service) http.Handler {
	mux := http.NewServeMux()
	checked := &checked{name: name, check: service.Check}
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		health := checked.ask(r.Context())
		status := http.StatusOK
		if health.Status != "ok" {
			status = http.StatusServiceUnavailable
		}
		JSON(w, status, health)
	})
	if service.Handler != nil {
		mux.Handle("/", service.Handler)
	}
	return paced(logged(access(name, mux)))
}

// healthLife is how long an answer of Check is given again: a flood of questions must not become one of whom Check
// asks.
const healthLife = 200 * time.Millisecond

// checked remembers the health for a moment.
type checked struct {
	name  string
	check func(ctx context.Context) (map[string]any, error)

	mutex  sync.Mutex // held while Check runs: the others wait for its answer
	asked  time.Time
	health Health
}

func (c *checked) ask(ctx context.Context) Health {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.asked.IsZero() && time.Since(c.asked) < healthLife {
		return c.health
	}
	c.health = Health{Status: "ok", Service: c.name, Version: version(), Details: map[string]any{}}
	if c.check != nil {
		// The answer is for all who wait, not only for this one.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
		defer cancel()
		details, err := c.check(ctx)
		if details != nil {
			c.health.Details = details
		}
		if err != nil {
			c.health.Status, c.health.Reason = "unavailable", err.Error()
		}
	}
	c.asked = time.Now()
	return c.health
}

// JSON writes value as the answer's body.
func JSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		slog.Error("encoding answer", "error", err.Error())
		status, body = http.StatusInternalServerError, []byte(`{"error":{"code":"internal","message":"encoding the answer failed"}}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client may have left
}

// Failure is the body of every error answer: {"error":{"code":…,"message":…}}, the shape of
// OpenAI's API. Code is stable and meant for programs, Message for people.
type Failure struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// Fail answers with a Failure.
func Fail(w http.ResponseWriter, status int, code, message string) {
	var failure Failure
	failure.Error.Code, failure.Error.Message = code, message
	JSON(w, status, failure)
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// logged logs requests, but for health. What is refused, and requests of all kinds, come in floods that would push
// the rest out of the log: above a rate they are only counted.
func logged(next http.Handler) http.Handler {
	refused, others := newLogRate(1, 5), newLogRate(20, 100)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, recorder := time.Now(), &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		kind := others
		switch {
		case recorder.status/100 == 4 || recorder.status == http.StatusServiceUnavailable:
			kind = refused
		case r.URL.Path == "/health":
			return
		}
		unlogged, ok := kind.take()
		if !ok {
			return
		}
		slog.Info("request", "method", r.Method, "path", r.URL.Path[:min(len(r.URL.Path), 200)], "status", recorder.status,
			"seconds", time.Since(began).Seconds(), "unlogged_before", unlogged)
	})
}

// logRate bounds the lines of one kind of request.
type logRate struct {
	limiter  *rate.Limiter
	unlogged atomic.Int64
}

func newLogRate(perSecond float64, burst int) *logRate {
	return &logRate{limiter: rate.NewLimiter(rate.Limit(perSecond), burst)}
}

// take tells whether a request is to be logged, and how many before it were not.
func (l *logRate) take() (unlogged int64, ok bool) {
	if !l.limiter.Allow() {
		l.unlogged.Add(1)
		return 0, false
	}
	return l.unlogged.Swap(0), true
}
