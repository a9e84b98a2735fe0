package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// behind is a front before a double of LiveKit: /rtc is a WebSocket that echoes, all else answers with the body's
// length.
func behind(t *testing.T) (address string, read *atomic.Int64) {
	t.Helper()
	read = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/rtc" {
			conn, err := (&websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}).Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer conn.Close()
			for {
				kind, message, err := conn.ReadMessage()
				if err != nil || conn.WriteMessage(kind, append(message, r.URL.RawQuery...)) != nil {
					return
				}
			}
		}
		n, _ := io.Copy(io.Discard, r.Body)
		read.Add(n)
	}))
	t.Cleanup(server.Close)
	handler, err := front(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	before := httptest.NewServer(handler)
	t.Cleanup(before.Close)
	return before.URL, read
}

func TestWebSocketsPass(t *testing.T) {
	address, _ := behind(t)
	conn, response, err := websocket.DefaultDialer.Dial(strings.Replace(address, "http", "ws", 1)+"/rtc?access_token=x", http.Header{"Origin": {"https://coach.example"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	defer conn.Close()
	for range 3 {
		if err := conn.WriteMessage(websocket.TextMessage, []byte("hello ")); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.ReadMessage(); err != nil || string(got) != "hello access_token=x" {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

// TestBodiesAreBounded: LiveKit reads all of a body before it looks at who sends it.
func TestBodiesAreBounded(t *testing.T) {
	address, read := behind(t)
	for name, c := range map[string]struct {
		body io.Reader
		want int
	}{
		"small":                 {strings.NewReader("{}"), http.StatusOK},
		"large":                 {strings.NewReader(strings.Repeat("x", maxBody+1)), http.StatusRequestEntityTooLarge},
		"large without a word":  {io.MultiReader(strings.NewReader(strings.Repeat("x", 10*maxBody))), http.StatusRequestEntityTooLarge},
		"small without a word ": {io.MultiReader(strings.NewReader("{}")), http.StatusOK},
	} {
		response, err := http.Post(address+"/twirp/livekit.RoomService/ListRooms", "application/json", c.body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = response.Body.Close()
		if response.StatusCode != c.want {
			t.Errorf("%s: got %d, want %d", name, response.StatusCode, c.want)
		}
	}
	if read.Load() > 2*maxBody {
		t.Errorf("%d bytes came through", read.Load())
	}
}

func TestChild(t *testing.T) {
	if err := child(t.Context(), exec.Command("sh", "-c", "exit 3")); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
	if err := child(t.Context(), exec.Command("true")); err == nil {
		t.Error("a server that ends by itself is no error")
	}
	for name, script := range map[string]string{
		"stops when asked":       `trap 'exit 0' TERM; while :; do sleep 0.1; done`,
		"stops when asked again": `trap 'trap "exit 0" TERM' TERM; while :; do sleep 0.1; done`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			command := exec.Command("sh", "-c", script)
			ended := make(chan error, 1)
			go func() { ended <- child(ctx, command) }()
			time.Sleep(300 * time.Millisecond) // until it listens
			cancel()
			if err := <-ended; err != nil || !command.ProcessState.Exited() {
				t.Errorf("got %v, %v: it was killed", err, command.ProcessState)
			}
		})
	}
}
