//go:build integration

package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/page"
	"github.com/25eloquence/compose-mage/internal/ui"
)

const project = "serve-test"

// The variable that makes this program another one, and what it is then.
const (
	roleVariable = "SERVE_TEST_ROLE"
	roleServer   = "server"
	roleVisitor  = "visitor"
)

// TestMain is also a server, and a visitor of it.
func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleVariable) {
	case roleServer:
		err = serveProject()
	case roleVisitor:
		err = json.NewEncoder(os.Stdout).Encode(visit(os.Args[1], os.Args[2]))
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(1)
	}
}

func serveProject() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	e, err := engine.Connect(ctx)
	if err != nil {
		return err
	}
	return Run(ctx, Options{
		Engine: e, Model: &compose.Model{Project: &types.Project{
			Name: project, WorkingDir: os.TempDir(), Services: types.Services{"absent": {Name: "absent"}},
		}},
		Out: ui.New(os.Stdout), Every: time.Second, Logs: true,
	})
}

// visited is what somebody saw who looked for a server.
type visited struct {
	UID     int
	Answers map[string]int // HTTP status by path, without the token
	Read    map[string]string
	Found   int // the status with what stands in the token's file
}

// visit asks the server for all that it answers, and looks for its token in the state directory.
func visit(address, dir string) visited {
	v := visited{UID: os.Getuid(), Answers: map[string]int{}, Read: map[string]string{}}
	for _, path := range []string{
		"/", "/snapshot.json", "/events", "/series.json?service=a", "/timeline.json?of=start",
		"/logs.json?service=a", "/metrics", "/page.js", "/nosuch",
	} {
		v.Answers[path] = status(address, path, "")
	}
	_ = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return nil // it is closed to this user
		}
		if text, err := os.ReadFile(path); err == nil {
			v.Read[filepath.Base(path)] = string(text)
		}
		return nil
	})
	if token, ok := v.Read["serve.token"]; ok {
		v.Found = status(address, "/snapshot.json", token)
	}
	return v
}

func status(address, path, token string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return 0
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{Transport: &http.Transport{}} // no proxy
	answer, err := client.Do(r)
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// server is a process that serves.
type server struct {
	*exec.Cmd
	address, token string
	ended          chan error

	mutex sync.Mutex
	text  string
}

// said is what it has printed so far.
func (s *server) said() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.text
}

// startServer starts one and waits until it has printed its address, or has ended.
func startServer(t *testing.T, state string) *server {
	t.Helper()
	s := &server{Cmd: exec.Command(os.Args[0]), ended: make(chan error, 1)}
	s.Env = append(os.Environ(), roleVariable+"="+roleServer, "COMPOSE_MAGE_STATE="+state, "NO_COLOR=1")
	out, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.Stdout, s.Stderr = write, write
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	t.Cleanup(func() {
		_ = s.Process.Kill() // may have ended
		<-s.ended
	})
	printed := make(chan struct{})
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			s.mutex.Lock()
			s.text += lines.Text() + "\n"
			s.mutex.Unlock()
			if _, url, ok := strings.Cut(lines.Text(), "open http://"); ok {
				s.address, s.token, _ = strings.Cut(url, "/#token=")
				close(printed)
			}
		}
		s.ended <- s.Wait()
		close(s.ended)
	}()
	select {
	case <-printed:
	case <-s.ended:
	}
	return s
}

// stop ends it as systemd and a terminal do, and gives its end.
func (s *server) stop(t *testing.T) error {
	t.Helper()
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.ended:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on after SIGTERM")
		return nil
	}
}

func (s *server) printed(t *testing.T) string {
	t.Helper()
	if len(s.token) != len(page.NewToken()) {
		t.Fatalf("no token is printed: %s", s.said())
	}
	return s.token
}

func TestAServerStartsIsFoundAndEnds(t *testing.T) {
	enginetest.Connect(t)
	dir := t.TempDir()
	s := startServer(t, dir)
	token := s.printed(t)
	enginetest.Until(t, 10*time.Second, "the page and the figures", func() bool {
		return status(s.address, "/", token) == 200 && status(s.address, "/snapshot.json", token) == 200
	})
	if got := status(s.address, "/snapshot.json", ""); got != http.StatusUnauthorized {
		t.Errorf("without the token: %d", got)
	}

	second := startServer(t, dir)
	if second.address != "" || second.ProcessState.ExitCode() != 1 {
		t.Errorf("a second server of the same project: %s, %s", second.ProcessState, second.said())
	}
	for _, want := range []string{"runs already", fmt.Sprintf("kill %d", s.Process.Pid), s.address} {
		if !strings.Contains(second.said(), want) {
			t.Errorf("the second one does not say %q: %s", want, second.said())
		}
	}

	record := filepath.Join(dir, "projects", project, "serve.json")
	if err := os.Remove(record); err != nil {
		t.Fatal(err)
	}
	enginetest.Until(t, 2*page.AliveEvery, "its record is written again", func() bool {
		_, err := os.Stat(record)
		return err == nil && status(s.address, "/snapshot.json", token) == 200
	})

	if err := s.stop(t); err != nil {
		t.Errorf("ended by SIGTERM: %v", err)
	}
	if got := status(s.address, "/", token); got != 0 {
		t.Errorf("it still answers: %d", got)
	}
	third := startServer(t, dir)
	if third.address != s.address || third.printed(t) != token {
		t.Errorf("the next one has not the address of the one that ended a moment ago: %s", third.said())
	}
	if err := third.stop(t); err != nil {
		t.Error(err)
	}
}

// Loopback is no trust boundary: who else is on the machine reaches the port.
func TestAnotherUserOfTheMachineGetsNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("to be another user needs root")
	}
	enginetest.Connect(t)
	dir := open(t) // the files' own modes are what protects them
	s := startServer(t, dir)
	token := s.printed(t)
	enginetest.Until(t, 10*time.Second, "figures", func() bool {
		return status(s.address, "/snapshot.json", token) == 200
	})
	const nobody = 65534
	v := visitAs(t, nobody, s.address, dir)
	if v.UID != nobody {
		t.Fatalf("the visitor is user %d", v.UID)
	}
	for path, code := range v.Answers {
		if code != http.StatusUnauthorized {
			t.Errorf("%s: %d", path, code)
		}
	}
	if len(v.Read) > 0 || v.Found != 0 {
		t.Errorf("the visitor has read %v, and got %d", v.Read, v.Found)
	}
	if own := visitAs(t, 0, s.address, dir); own.Found != 200 || own.Read["serve.token"] != token {
		t.Errorf("the server's own user gets %+v: the test shows nothing", own)
	}
	if err := s.stop(t); err != nil {
		t.Error(err)
	}
}

// open makes a directory that everybody may enter, other than t.TempDir.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "serve")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// visitAs runs a visitor as the user, from a copy of this program that everybody may run.
func visitAs(t *testing.T, uid uint32, address, dir string) (v visited) {
	t.Helper()
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(open(t), "visitor")
	if err := os.WriteFile(program, data, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, address, dir)
	cmd.Dir, cmd.Env, cmd.Stderr = "/", []string{roleVariable + "=" + roleVisitor}, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAFullStateDiskEndsNoServer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("to mount a small disk needs root")
	}
	enginetest.Connect(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	full := filepath.Join(dir, "full")
	if err := os.WriteFile(full, make([]byte, 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, dir)
	token := s.printed(t)
	enginetest.Until(t, 10*time.Second, "figures", func() bool {
		return status(s.address, "/snapshot.json", token) == 200 && status(s.address, "/metrics", token) == 200
	})
	for _, want := range []string{"history: ", "no space left", "looks do not find this server"} {
		enginetest.Until(t, time.Minute, "it says "+want, func() bool { return strings.Contains(s.said(), want) })
	}
	if got := status(s.address, "/snapshot.json", token); got != 200 {
		t.Errorf("then: %d", got)
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	enginetest.Until(t, 2*page.AliveEvery, "looks find it once there is room", func() bool {
		_, err := os.Stat(filepath.Join(dir, "projects", project, "serve.json"))
		return err == nil
	})
	if err := s.stop(t); err != nil {
		t.Error(err)
	}
}
