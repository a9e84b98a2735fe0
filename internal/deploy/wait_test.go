package deploy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/moby/moby/client"
)

// A deploy waits while managers choose another leader, and only then.
func TestLeaderless(t *testing.T) {
	for status, want := range map[int]bool{
		http.StatusInternalServerError: true,  // rpc error: code = DeadlineExceeded
		http.StatusServiceUnavailable:  true,  // the Swarm does not have a leader
		http.StatusNotFound:            false, // the service was removed
		http.StatusForbidden:           false,
		http.StatusBadRequest:          false,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"message": "rpc error: code = DeadlineExceeded"}`)
		}))
		api, err := client.New(client.WithHost(server.URL), client.WithAPIVersion("1.41"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = api.ServiceInspect(t.Context(), "store", client.ServiceInspectOptions{})
		if got := leaderless(fmt.Errorf("asking: %w", err)); err == nil || got != want {
			t.Errorf("status %d: %v, want %v: %v", status, got, want, err)
		}
		server.Close()
		if _, err := api.ServiceInspect(t.Context(), "store", client.ServiceInspectOptions{}); leaderless(err) {
			t.Errorf("an engine that is gone: %v", err)
		}
	}
	if leaderless(&notReady{service: "store"}) || leaderless(nil) || leaderless(errors.New("else")) {
		t.Error("what is no error of the engine's is taken for one")
	}
}
