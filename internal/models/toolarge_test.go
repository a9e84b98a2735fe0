package models

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// TestServerThatFillsTheDisk guards against a mirror that sends more than any model has: a download had no upper limit.
func TestServerThatFillsTheDisk(t *testing.T) {
	quick(t)
	const most = 1 << 20
	for name, answer := range map[string]struct {
		header map[string]string
		status int
	}{
		"without a length":   {nil, http.StatusOK},
		"announces too much": {map[string]string{"Content-Length": fmt.Sprint(most + 1)}, http.StatusOK},
		"a range of too much": {
			map[string]string{"Content-Range": fmt.Sprintf("bytes 10-99/%d", most+1)}, http.StatusPartialContent,
		},
		"a range, and goes on":   {map[string]string{"Content-Range": "bytes 10-99/100"}, http.StatusPartialContent},
		"a range without an end": {map[string]string{"Content-Range": "bytes 10-99/-1"}, http.StatusPartialContent},
		"a range, and none is due": {
			map[string]string{"Content-Range": "bytes */9999999"}, http.StatusRequestedRangeNotSatisfiable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				status := answer.status
				if status == http.StatusOK || r.Header.Get("Range") != "" {
					for key, value := range answer.header {
						w.Header().Set(key, value)
					}
				} else {
					status = http.StatusOK
				}
				w.WriteHeader(status)
				for piece := make([]byte, 64<<10); sent.Load() < 64*most; {
					n, err := w.Write(piece)
					if sent.Add(int64(n)); err != nil {
						return
					}
				}
			}))
			defer server.Close()
			d := download{client: server.Client(), url: server.URL, dir: t.TempDir(), file: "m", most: most}
			if answer.status != http.StatusOK {
				write(d.part(), make([]byte, 10))
			}
			err := d.fetch(t.Context(), func(string) {})
			var f *fault.Error
			if !errors.Is(err, bounded.ErrTooLarge) || !errors.As(err, &f) || f.Next == "" {
				t.Errorf("got %v", err)
			}
			if got := size(d.part()) + size(d.path()); got > 0 {
				t.Errorf("%d bytes are left", got)
			}
			if got := sent.Load(); got > 32*most {
				t.Errorf("%d bytes were sent", got)
			}
		})
	}
}

// TestServerThatDrips guards against one that sends a byte now and then, for ever.
func TestServerThatDrips(t *testing.T) {
	quick(t)
	stallTimeout = 100 * time.Millisecond
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}))
	defer server.Close()
	d := download{client: server.Client(), url: server.URL, dir: t.TempDir(), file: "m", most: maxModel}
	err := d.fetch(t.Context(), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "nothing arrived") && !strings.Contains(err.Error(), "less than") ||
		asked != maxStalls {
		t.Errorf("got %v after %d requests", err, asked)
	}
	if _, err := os.Stat(d.path()); err == nil {
		t.Error("it counts as whole")
	}
}
