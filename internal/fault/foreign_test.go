package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// dying is an engine's API on a Unix socket whose every answer is answer's.
func dying(t *testing.T, answer http.HandlerFunc) client.APIClient {
	t.Helper()
	dir, err := os.MkdirTemp("", "e") // t.TempDir's path may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(answer)
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	api, err := client.New(client.WithHost("unix://" + socket))
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// hangUp closes the connection in the middle of an answer that was to be longer.
func hangUp(w http.ResponseWriter, begun string) {
	w.Header().Set("Content-Length", "100000")
	_, _ = io.WriteString(w, begun)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	panic(http.ErrAbortHandler)
}

func TestAnEngineThatGoesAwayIsSeenByItsConnection(t *testing.T) {
	ask := func(api client.APIClient) error {
		_, err := api.ContainerList(context.Background(), client.ContainerListOptions{})
		return err
	}
	cut := dying(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if err := ask(cut); !EngineLost(err) {
		t.Errorf("a connection that is cut: %v", err)
	}
	gone, err := client.New(client.WithHost("unix:///nowhere/docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(gone); !EngineLost(err) {
		t.Errorf("no socket: %v", err)
	}
	stream := dying(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/_ping") {
			return
		}
		hangUp(w, `{"stream":"`)
	})
	answer, err := stream.ImageLoad(context.Background(), strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	var v any
	err = json.NewDecoder(answer).Decode(&v)
	if err == nil || !EngineLost(fmt.Errorf("reading the engine's answer: %w", EngineStream(err))) {
		t.Errorf("an answer that breaks off: %v", err)
	}
	says := dying(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/_ping") {
			http.Error(w, `{"message":"dial unix /run/docker.sock: connect: connection refused; unexpected EOF"}`, http.StatusInternalServerError)
		}
	})
	if err := ask(says); err == nil || EngineLost(err) {
		t.Errorf("an engine that answers is there, whatever it says: %v", err)
	}
}

func TestExitClassifiesByType(t *testing.T) {
	lost := &net.OpError{Op: "read", Net: "unix", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	for name, c := range map[string]struct {
		err  error
		code Code
		next string
	}{
		"the engine":             {fmt.Errorf("listing containers: %w", lost), Engine, Again},
		"in a failure":           {New(Failed, "go tool mage logs x", "starting: %w", lost), Engine, Again},
		"in a plan":              {errors.Join(New(Config, "", "explaining: %w", lost)), Engine, Again},
		"a registry's":           {New(Registry, "docker login", "pulling: %w", lost), Registry, "docker login"},
		"the disk":               {fmt.Errorf("writing: %w", syscall.ENOSPC), Resources, "go tool mage cleanup"},
		"a program's words":      {errors.New("write /var/lib/x: no space left on device"), Resources, "go tool mage cleanup"},
		"words of a file's name": {errors.New(`open "/no space left on device": not found`), Failed, ""},
		"words alone":            {errors.New("cannot connect to the docker daemon: connection refused"), Failed, ""},
		"another's TCP":          {&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, Failed, ""},
	} {
		var f *Error
		if !errors.As(Exit(context.Background(), c.err), &f) || f.Code != c.code || c.next != "" && !strings.HasSuffix(f.Error(), "next: "+c.next) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestBuilderLost(t *testing.T) {
	if !BuilderLost(fmt.Errorf("failed to solve: %w", status.Error(codes.Unavailable, "error reading from server: EOF"))) {
		t.Error("a broken connection is not seen")
	}
	if BuilderLost(status.Error(codes.Unknown, "code = Unavailable desc = connection refused")) {
		t.Error("words pass for a code")
	}
}
