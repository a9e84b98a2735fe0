package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// running starts a service on a free loopback port; the returned stop waits for its end.
func running(t *testing.T, service *Service) (url string, stop func() error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, "test", listener, service) }()
	t.Cleanup(cancel)
	return "http://" + listener.Addr().String(), func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(10 * time.Second):
			return errors.New("service did not stop")
		}
	}
}

func TestHealthFollowsCheck(t *testing.T) {
	var ready atomic.Bool
	url, stop := running(t, &Service{Check: func(context.Context) (map[string]any, error) {
		if !ready.Load() {
			return map[string]any{"model": "small"}, errors.New("loading model")
		}
		return map[string]any{"model": "small"}, nil
	}})
	err := Probe(context.Background(), url+"/health")
	if err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "loading model") {
		t.Errorf("not ready: got %v, want a 503 with the reason", err)
	}
	ready.Store(true)
	time.Sleep(healthLife) // the answer before is kept that long
	if err := Probe(context.Background(), url+"/health"); err != nil {
		t.Errorf("ready: %v", err)
	}
	answer, err := http.Get(url + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var health Health
	if err := json.NewDecoder(answer.Body).Decode(&health); err != nil {
		t.Fatal(err)
	}
	if health.Status != "ok" || health.Service != "test" || health.Details["model"] != "small" {
		t.Errorf("got %+v", health)
	}
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
}

func TestStopLetsRequestsFinish(t *testing.T) {
	entered := make(chan struct{})
	var closed atomic.Bool
	url, stop := running(t, &Service{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			time.Sleep(200 * time.Millisecond)
			JSON(w, http.StatusAccepted, "done")
		}),
		Close: func() error { closed.Store(true); return nil },
	})
	status := make(chan int, 1)
	go func() {
		answer, err := http.Get(url + "/slow")
		if err != nil {
			status <- 0
			return
		}
		_ = answer.Body.Close()
		status <- answer.StatusCode
	}()
	<-entered
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if got := <-status; got != http.StatusAccepted {
		t.Errorf("the request under way got status %d, want 202", got)
	}
	if !closed.Load() {
		t.Error("Close was not called")
	}
}

func TestFailingRunStopsTheService(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("redis is gone")
	err = Serve(context.Background(), "test", listener, &Service{Run: func(context.Context) error { return broken }})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want the failure of Run", err)
	}
}

func TestSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	for _, c := range []struct {
		name, path, content, want, fails string
	}{
		{name: "trimmed", path: file, content: " hush\n", want: "hush"},
		{name: "empty", path: file, content: "\n", fails: "TEST_SECRET_FILE"},
		{name: "unset", path: "", fails: "TEST_SECRET_FILE"},
		{name: "missing", path: file + ".not", fails: "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("TEST_SECRET_FILE", c.path)
			got, err := Secret("TEST_SECRET_FILE")
			if got != c.want && c.fails == "" {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if (err == nil) != (c.fails == "") || (err != nil && !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("got error %v, want one with %q", err, c.fails)
			}
		})
	}
}

func TestListenPort(t *testing.T) {
	for text, want := range map[string]int{"": 8000, "9000": 9000, "0": 0, "http": 0, "70000": 0} {
		t.Setenv("PORT", text)
		got, err := listenPort(8000)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("PORT=%q: got %d, %v, want %d", text, got, err, want)
		}
	}
}
