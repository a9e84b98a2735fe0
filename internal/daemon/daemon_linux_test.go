package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// The test binary is its own daemon, and its own setup that gets killed.
func TestMain(m *testing.M) {
	switch os.Getenv("DAEMON_TEST_ROLE") {
	case "daemon":
		fmt.Fprintln(os.Stderr, "listening on", os.Args[1])
		if err := http.ListenAndServe(os.Args[1], http.NotFoundHandler()); err != nil {
			fmt.Fprintln(os.Stderr, "daemon:", err)
		}
		os.Exit(3)
	case "parent":
		_, err := Run(context.Background(), shell(os.Args[1], "sleep 61 & sleep 61"), func(string) {})
		fmt.Fprintln(os.Stderr, err)
		os.Exit(4)
	}
	os.Exit(m.Run())
}

// shell is a caged child that runs script; log names its log.
func shell(log, script string) Command {
	return Command{Args: []string{"/bin/sh", "-c", script}, Log: log, Caged: true}
}

// records keeps what is known of daemons, and what was written down in which order.
type records struct {
	known   map[string]Process
	written []Process
}

func (r *records) Process(name string) (Process, bool) { p, ok := r.known[name]; return p, ok }

func (r *records) Record(p Process) error {
	r.known[p.Name] = p
	r.written = append(r.written, p)
	return nil
}

func (r *records) Forget(name string) error { delete(r.known, name); return nil }

// newRecords are empty; what is recorded in them ends with the test.
func newRecords(t *testing.T) *records {
	t.Helper()
	r := &records{known: map[string]Process{}}
	t.Cleanup(func() {
		for _, p := range r.known {
			if err := p.Stop(context.Background(), time.Second); err != nil {
				t.Error(err)
			}
		}
	})
	return r
}

func testDaemon(t *testing.T) Daemon {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	return Daemon{
		Name: "registry", Args: []string{os.Args[0], addr}, Env: []string{"DAEMON_TEST_ROLE=daemon"},
		Log: filepath.Join(t.TempDir(), "log"), Code: fault.Registry, Within: 10 * time.Second,
		Ready: func(ctx context.Context) error {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			if err != nil {
				return err
			}
			return conn.Close()
		},
	}
}

func ensure(t *testing.T, r *records, d Daemon) (bool, int) {
	t.Helper()
	found, err := d.Ensure(t.Context(), r, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	p := r.known[d.Name]
	if !p.Alive() {
		t.Fatalf("the daemon of record %+v does not run", p)
	}
	return found, p.PID
}

func TestDaemonIsStartedFoundAndRestarted(t *testing.T) {
	r := newRecords(t)
	d := testDaemon(t)
	was, first := ensure(t, r, d)
	if was {
		t.Error("found before it was started")
	}
	if len(r.written) != 2 || r.written[0].PID != 0 || r.written[1].PID != first {
		t.Errorf("written down %+v, want once before it starts and once with its pid", r.written)
	}
	if was, pid := ensure(t, r, d); !was || pid != first {
		t.Errorf("second time: found %v, pid %d, want the first, %d", was, pid, first)
	}
	d.Config = "another"
	if was, pid := ensure(t, r, d); was || pid == first {
		t.Errorf("other configuration: found %v, pid %d: not restarted", was, pid)
	}
}

// A setup that is killed between the start and the record leaves a record without a pid, or none: either way the daemon
// is found again, and never started twice.
func TestDaemonOfAKilledSetupIsAdopted(t *testing.T) {
	r := newRecords(t)
	d := testDaemon(t)
	_, first := ensure(t, r, d)
	p := r.known[d.Name]
	p.PID, p.Start = 0, ""
	r.known[d.Name] = p
	if was, pid := ensure(t, r, d); !was || pid != first {
		t.Errorf("with a record that has no pid: found %v, pid %d, want %d", was, pid, first)
	}
	delete(r.known, d.Name)
	if was, pid := ensure(t, r, d); was || pid == first {
		t.Errorf("without a record: found %v, pid %d, want it restarted, as its configuration is unknown", was, pid)
	}
	if p := (Process{Name: "old", PID: first}); Find(d.Args) == p.PID {
		t.Error("the old one still runs")
	}
}

func TestDaemonThatDiesShowsItsLog(t *testing.T) {
	r := newRecords(t)
	d := testDaemon(t)
	d.Args = []string{os.Args[0], "256.256.256.256:1"}
	d.Within = 20 * time.Second
	_, err := d.Ensure(t.Context(), r, func(string) {})
	var e *fault.Error
	if !errors.As(err, &e) || e.Code != fault.Registry || !strings.Contains(err.Error(), "exit status 3") ||
		!strings.Contains(strings.Join(e.Detail, "\n"), "daemon: listen tcp") {
		t.Errorf("got %v", err)
	}
	if _, recorded := r.Process(d.Name); recorded {
		t.Error("a dead daemon stays recorded")
	}
}

func TestDaemonThatNeverAnswers(t *testing.T) {
	r := newRecords(t)
	d := testDaemon(t)
	d.Ready = func(context.Context) error { return errors.New("nothing yet") }
	d.Within = 300 * time.Millisecond
	_, err := d.Ensure(t.Context(), r, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "does not answer within 300ms: nothing yet") {
		t.Errorf("got %v", err)
	}
}

// waitNoSleep waits until no process that matches pattern runs, for at most within.
func waitNoSleep(t *testing.T, args []string, within time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(within); Find(args) != 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%v still runs after %s", args, within)
		}
	}
}

func TestCancelEndsChildrenAndTheirChildren(t *testing.T) {
	for _, caged := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(200*time.Millisecond, cancel)
		c := shell(filepath.Join(t.TempDir(), "log"), "trap '' INT; sleep 62 & sleep 62")
		c.Caged = caged
		begin := time.Now()
		if _, err := Run(ctx, c, func(string) {}); !errors.Is(err, context.Canceled) {
			t.Errorf("caged %v: got %v", caged, err)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("caged %v: took %s after Ctrl-C", caged, took)
		}
		waitNoSleep(t, []string{"sleep", "62"}, time.Second)
	}
}

func TestKillEndsCagedChildren(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a process namespace needs root")
	}
	cmd := exec.Command(os.Args[0], filepath.Join(t.TempDir(), "log"))
	cmd.Env = append(os.Environ(), "DAEMON_TEST_ROLE=parent")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	args := []string{"sleep", "61"}
	for deadline := time.Now().Add(5 * time.Second); Find(args) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the child did not start")
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	waitNoSleep(t, args, 2*time.Second)
}

func TestFailedChildShowsItsLastLines(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	_, err := Run(t.Context(), shell(log, "echo one; echo two >&2; exit 7"), func(string) {})
	if err == nil || err.Error() != "running sh: exit status 7" {
		t.Fatalf("got %v", err)
	}
	if got := strings.Join(OutputOf(err), "|"); got != "one|two|log: "+log {
		t.Errorf("tail: got %q", got)
	}
}

// A script that holds a lock runs setup: the daemon must not hold it on.
func TestDaemonKeepsNothingOpenOfItsStartersOwn(t *testing.T) {
	r := newRecords(t)
	held := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(held, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(held)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	inherited, err := syscall.Dup(int(file.Fd())) // not closed on exec, as what a shell passes on
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(inherited)
	_, pid := ensure(t, r, testDaemon(t))
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(links) == 0 {
		t.Fatalf("%v, %v", links, err)
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == held {
			t.Errorf("the daemon has %s open", held)
		}
	}
}
