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
	"time"
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

// healthLife is how long an answer of Check is given again: a flood of questions must not become one of whom Check asks.
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

// logged logs each request but those for health. What is refused before any work is done (401, 403, 415, 421, 429, 503)
// comes in floods that would push the rest out of the log: it is counted, and logged once a second.
func logged(next http.Handler) http.Handler {
	refused := &refusals{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, recorder := time.Now(), &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		count := 1
		switch recorder.status {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusUnsupportedMediaType, http.StatusMisdirectedRequest,
			http.StatusTooManyRequests, http.StatusServiceUnavailable:
			if count = refused.due(began); count == 0 {
				return
			}
		default:
			if r.URL.Path == "/health" {
				return
			}
		}
		slog.Info("request", "method", r.Method, "path", r.URL.Path[:min(len(r.URL.Path), 200)], "status", recorder.status,
			"seconds", time.Since(began).Seconds(), "refused", count-1)
	})
}

// refusals counts refused requests.
type refusals struct {
	mutex  sync.Mutex
	logged time.Time
	count  int
}

// due counts one and returns how many there were since the last one was logged, or 0 where that is less than a second ago.
func (r *refusals) due(now time.Time) int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.count++
	if now.Sub(r.logged) < time.Second {
		return 0
	}
	count := r.count
	r.logged, r.count = now, 0
	return count
}
