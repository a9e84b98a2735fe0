package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
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
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		health := Health{Status: "ok", Service: name, Version: version(), Details: map[string]any{}}
		status := http.StatusOK
		if service.Check != nil {
			ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
			defer cancel()
			details, err := service.Check(ctx)
			if details != nil {
				health.Details = details
			}
			if err != nil {
				health.Status, health.Reason, status = "unavailable", err.Error(), http.StatusServiceUnavailable
			}
		}
		JSON(w, status, health)
	})
	if service.Handler != nil {
		mux.Handle("/", logged(service.Handler))
	}
	return mux
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

func logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, recorder := time.Now(), &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		slog.Info("request", "method", r.Method, "path", r.URL.Path, "status", recorder.status,
			"seconds", time.Since(began).Seconds())
	})
}
