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

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
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
			http.Error(w, `{"message":"dial unix /run/docker.sock: connect: connection refused; unexpected EOF"}`,
				http.StatusInternalServerError)
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
		"the engine":   {fmt.Errorf("listing containers: %w", lost), Engine, Again},
		"in a failure": {New(Failed, "go tool mage logs x", "starting: %w", lost), Engine, Again},
		"in a plan":    {errors.Join(New(Config, "", "explaining: %w", lost)), Engine, Again},
		"a registry's": {New(Registry, "docker login", "pulling: %w", lost), Registry, "docker login"},
		"the disk":     {fmt.Errorf("writing: %w", syscall.ENOSPC), Resources, "go tool mage cleanup"},
		"a program's words": {
			errors.New("write /var/lib/x: no space left on device"), Resources, "go tool mage cleanup",
		},
		"words of a file's name": {errors.New(`open "/no space left on device": not found`), Failed, ""},
		"words alone":            {errors.New("cannot connect to the docker daemon: connection refused"), Failed, ""},
		"another's TCP":          {&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, Failed, ""},
	} {
		var f *Error
		if !errors.As(Exit(context.Background(), c.err), &f) || f.Code != c.code || c.next != "" &&
			!strings.HasSuffix(f.Error(), "next: "+c.next) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestTaskLeft(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for text, want := range map[string]bool{
		"Error response from daemon: task " + id + ": already exists":                                           true,
		"failed to create task for container: task " + id + " already exists: unknown":                          true,
		"OCI runtime create failed: container with id exists: " + id + ": unknown":                              true,
		"mkdir /run/containerd/io.containerd.runtime.v2.task/moby/" + id + ": file exists":                      true,
		"task " + strings.Repeat("f", 64) + ": already exists":                                                  false,
		"open /var/lib/docker/containers/" + id + "/hostname: no such file or directory":                        false,
		`exec: "already exists": executable file not found in $PATH`:                                            false,
		`Conflict. The container name "/x" is already in use by container "` + id + `". You have to remove it.`: false,
	} {
		if got := TaskLeft(errors.New(text), id); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if !TaskLeft(fmt.Errorf("id already in use: %w", cerrdefs.ErrConflict), id) {
		t.Error("the type that the engine has for it does not count")
	}
	if TaskLeft(nil, id) {
		t.Error("no error counts")
	}
}

func TestProgramOf(t *testing.T) {
	const runc = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start " +
		"container process: "
	for text, want := range map[string]Program{
		runc + `exec: "nosuch": executable file not found in $PATH: unknown`:        ProgramAbsent,
		runc + `exec: "/nosuch": stat /nosuch: no such file or directory`:           ProgramAbsent,
		runc + `exec: "/notexec": permission denied: unknown`:                       ProgramForbidden,
		runc + `exec: "/etc": is a directory`:                                       ProgramForbidden,
		"exec /foreign: exec format error":                                          ProgramForeign,
		"standard_init_linux.go:228: exec user process caused: exec format error\n": ProgramForeign,
		"exec /entry.sh: no such file or directory":                                 ProgramAbsent,
		"error mounting \"/x\": not a directory":                                    ProgramOther,
		runc + "error mounting: no such file or directory":                          ProgramOther,
		"the program printed: exec format error, and went on":                       ProgramOther,
		"": ProgramOther,
	} {
		if got := ProgramOf(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for text, want := range map[string]Refusal{
		`exec: "serve": executable file not found in $PATH`:          ProgramMissing,
		"exec /serve: exec format error":                             ProgramMissing,
		`OCI runtime create failed: exec: "x": stat x: no such file`: ProgramMissing,
		"Error response from daemon: No such image: shop-web:latest": ImageMissing,
		"pull access denied for x, repository does not exist":        ImageMissing,
		"manifest unknown": ImageMissing,
		"invalid mount config for type \"bind\": bind source path does not exist": MountMissing,
		"failed to create mount source path":                                      MountMissing,
		"network shop_default is ambiguous (2 matches found on name)":             NetworkAmbiguous,
		`Conflict. The container name "/x" is already in use by container "y"`:    NameTaken,
		"OCI runtime create failed: runc create failed: procResume":               RuntimeFailed,
		"connection refused": OtherRefusal,
	} {
		if got := RefusalOf(errors.New(text)); got != want {
			t.Errorf("%q: refusal %d, want %d", text, got, want)
		}
	}
	if RefusalOf(nil) != OtherRefusal {
		t.Error("no error is a refusal")
	}
}

func TestPortTaken(t *testing.T) {
	for text, want := range map[string]string{
		"driver failed: Bind for 0.0.0.0:8080 failed: port is already allocated":            "0.0.0.0 tcp 8080",
		"listen tcp4 127.0.0.1:80: bind: address already in use":                            "127.0.0.1 tcp 80",
		"listen udp 0.0.0.0:53: bind: address already in use":                               "0.0.0.0 udp 53",
		"failed to bind host port 127.0.0.1:80/udp: address already in use":                 "127.0.0.1 udp 80",
		"failed to bind host port for 0.0.0.0:80:172.18.0.2:80/tcp: address already in use": "0.0.0.0 tcp 80",
		"Bind for [::1]:80 failed: port is already allocated":                               "::1 tcp 80",
		"listen tcp4 127.0.0.1:80: bind: permission denied":                                 "",
		"the name is already in use":                                                        "",
		"listen tcp4 127.0.0.1:99999999999999999999: bind: address already in use":          "",
	} {
		got := ""
		if p, ok := PortTaken(errors.New(text)); ok {
			got = fmt.Sprint(p.IP, " ", p.Protocol, " ", p.Number)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if _, ok := PortTaken(nil); ok {
		t.Error("no error takes a port")
	}
}

func TestWordsWithoutAType(t *testing.T) {
	for text, want := range map[string][2]bool{ // the socket is forbidden, the disk is being measured
		"dial unix /var/run/docker.sock: connect: permission denied":            {true, false},
		"Error response from daemon: a disk usage operation is already running": {false, true},
		"connection refused": {},
	} {
		if got := [2]bool{EngineForbidden(errors.New(text)), DiskUsageRunning(errors.New(text))}; got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if EngineForbidden(nil) || DiskUsageRunning(nil) || !EngineForbidden(fmt.Errorf("x: %w", os.ErrPermission)) {
		t.Error("no error has no words, and a type needs none")
	}
}
