package freezer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
)

// freezeVariable makes the test's program freeze that container for that long and wait to be killed.
const freezeVariable = "FREEZER_TEST"

func TestMain(m *testing.M) {
	if id, limit, ok := strings.Cut(os.Getenv(freezeVariable), " "); ok {
		d, err := time.ParseDuration(limit)
		if err == nil {
			_, err = Begin(id, d)
		}
		fmt.Println("frozen:", err)
		select {}
	}
	os.Exit(m.Run())
}

// stage is a cgroup named as a container's is, with a process of the test's in it, and a state directory of its own.
type stage struct {
	t     *testing.T
	id    string
	group group
}

// onEach runs the test in every hierarchy of this machine that can freeze.
func onEach(t *testing.T, test func(t *testing.T, s *stage)) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	ran := false
	for _, root := range hierarchies(string(table)) {
		id := fmt.Sprintf("%064x", time.Now().UnixNano())
		g := group{Path: filepath.Join(root.Path, id), V2: root.V2}
		if err := os.Mkdir(g.Path, 0o755); err != nil {
			continue // not root, or read-only in a container
		}
		ran = true
		t.Run(map[bool]string{false: "version 1", true: "version 2"}[g.V2], func(t *testing.T) {
			t.Setenv(state.Variable, t.TempDir())
			c := exec.Command("sleep", "600")
			t.Cleanup(func() {
				_ = g.thaw()
				_ = c.Process.Kill()
				_ = c.Wait()
				for range 100 { // the kernel takes a moment to empty it
					if os.Remove(g.Path) == nil {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
				t.Error("the cgroup is left")
			})
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(g.Path, "cgroup.procs"), []byte(strconv.Itoa(c.Process.Pid)),
				0); err != nil {
				t.Fatal(err)
			}
			test(t, &stage{t: t, id: id, group: g})
		})
	}
	switch {
	case ran:
	case os.Geteuid() == 0:
		t.Error("root can make no cgroup here: nothing was tested")
	default:
		t.Skip("making a cgroup needs root")
	}
}

func (s *stage) frozen() bool {
	s.t.Helper()
	done, err := s.group.frozen()
	if err != nil {
		s.t.Fatal(err)
	}
	return done
}

// thawsWithin fails unless the group is thawed within d.
func (s *stage) thawsWithin(d time.Duration) {
	s.t.Helper()
	for deadline := time.Now().Add(d); s.frozen(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("still frozen after %s", d)
		}
	}
}

// records lists what is in the state directory's records.
func (s *stage) records() []string {
	s.t.Helper()
	dir, err := directory()
	if err != nil {
		s.t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// killed freezes in a process of its own and kills that.
func (s *stage) killed(limit time.Duration) {
	s.t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), freezeVariable+"="+s.id+" "+limit.String())
	out, err := c.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	said := make([]byte, 200)
	n, err := out.Read(said)
	if err != nil || string(said[:n]) != "frozen: <nil>\n" {
		s.t.Fatalf("%v: %s", err, said[:n])
	}
	if !s.frozen() {
		s.t.Fatal("not frozen")
	}
	_ = c.Process.Kill()
	_ = c.Wait()
}

// engineSays is an engine that calls the container paused or not, or does not answer.
type engineSays struct {
	paused bool
	err    error
}

func (e engineSays) ContainerInspect(context.Context, string,
	client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	return client.ContainerInspectResult{Container: moby.InspectResponse{State: &moby.State{Paused: e.paused}}}, e.err
}

func TestFreezeAndEnd(t *testing.T) {
	onEach(t, func(t *testing.T, s *stage) {
		for range 5 {
			f, err := Begin(s.id, 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if !s.frozen() {
				t.Error("not frozen")
			}
			files := s.records()
			if len(files) != 1 {
				t.Fatalf("records: %v", files)
			}
			if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the record's mode is %v, %v", info.Mode(), err)
			}
			second := f.thawer.process
			if err := f.End(); err != nil {
				t.Error(err)
			}
			if s.frozen() || len(s.records()) > 0 || second.alive() {
				t.Errorf("left: frozen %v, records %v, second process %v", s.frozen(), s.records(), second.alive())
			}
		}
	})
}

func TestFreezeEndsByItself(t *testing.T) {
	onEach(t, func(t *testing.T, s *stage) {
		f, err := Begin(s.id, 200*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		s.thawsWithin(5 * time.Second)
		if err := f.End(); err != nil || len(s.records()) > 0 {
			t.Errorf("ending what has ended: %v, records %v", err, s.records())
		}
	})
}

// A run that is killed while it freezes is outlived by its second process.
func TestKilledWhileFrozen(t *testing.T) {
	onEach(t, func(t *testing.T, s *stage) {
		s.killed(500 * time.Millisecond)
		s.thawsWithin(5 * time.Second)
		for deadline := time.Now().Add(5 * time.Second); len(s.records()) > 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the record is left")
			}
		}
	})
}

// Where the second process was killed too, the next command thaws.
func TestThawLeft(t *testing.T) {
	for name, c := range map[string]struct {
		engine engineSays
		frozen bool // afterwards
	}{
		"the engine has not paused it":     {engineSays{}, false},
		"the engine has paused it since":   {engineSays{paused: true}, true},
		"the engine does not answer":       {engineSays{err: errors.New("no answer")}, false},
		"the engine is another, or it was": {engineSays{paused: true, err: errors.New("not found")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, s *stage) {
				s.killed(time.Minute)
				thawer := s.read().Thawer
				if !thawer.alive() {
					t.Error("no second process")
				}
				if err := ThawLeft(t.Context(), c.engine); err != nil {
					t.Fatal(err)
				}
				if s.frozen() != c.frozen || len(s.records()) > 0 {
					t.Errorf("frozen %v, want %v; records %v", s.frozen(), c.frozen, s.records())
				}
				for deadline := time.Now().Add(5 * time.Second); thawer.alive(); time.Sleep(5 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatal("the second process is left")
					}
				}
			})
		})
	}
}

func (s *stage) read() record {
	s.t.Helper()
	files := s.records()
	if len(files) != 1 {
		s.t.Fatalf("records: %v", files)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		s.t.Fatal(err)
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		s.t.Fatal(err)
	}
	return r
}

// What a living run holds is left alone until its time is over; what was written before the machine's start is
// forgotten.
func TestThawLeftLeavesTheLiving(t *testing.T) {
	onEach(t, func(t *testing.T, s *stage) {
		f, err := Begin(s.id, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if err := ThawLeft(t.Context(), engineSays{}); err != nil || !s.frozen() || len(s.records()) != 1 {
			t.Errorf("a living run's: %v, frozen %v, records %v", err, s.frozen(), s.records())
		}
		r := s.read()
		r.Until = time.Now().Add(-time.Second)
		s.rewrite(r)
		if err := ThawLeft(t.Context(), engineSays{}); err != nil || s.frozen() || len(s.records()) != 0 {
			t.Errorf("a run that hangs: %v, frozen %v, records %v", err, s.frozen(), s.records())
		}
		if err := s.group.freeze(time.Second); err != nil {
			t.Fatal(err)
		}
		r.Boot = "another"
		s.rewrite(r)
		if err := ThawLeft(t.Context(), engineSays{}); err != nil || !s.frozen() || len(s.records()) != 0 {
			t.Errorf("before the machine's start: %v, frozen %v, records %v", err, s.frozen(), s.records())
		}
		if err := f.End(); err != nil {
			t.Error(err)
		}
	})
}

func (s *stage) rewrite(r record) {
	s.t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		s.t.Fatal(err)
	}
	dir, err := directory()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, s.id+".json"), text, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// The second process thaws at once when it is told to end, as it is with all processes of a job.
func TestSecondProcessIsTerminated(t *testing.T) {
	onEach(t, func(t *testing.T, s *stage) {
		f, err := Begin(s.id, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // until its shell has begun
		if err := syscall.Kill(-f.thawer.PID, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		s.thawsWithin(5 * time.Second)
		if err := f.End(); err != nil {
			t.Error(err)
		}
	})
}

// A record that is not whole, or names a cgroup that is not the container's, makes nobody write to that.
func TestForeignRecords(t *testing.T) {
	t.Setenv(state.Variable, t.TempDir())
	dir, err := directory()
	if err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(t.TempDir(), "freezer.state")
	foreign, err := json.Marshal(record{
		Container: strings.Repeat("ab", 32), Group: group{Path: filepath.Dir(victim)}, Boot: boot(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"half.json": `{"container":"`, "foreign.json": string(foreign)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(victim, []byte("FROZEN"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ThawLeft(t.Context(), engineSays{}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "FROZEN" {
		t.Errorf("%q, %v", text, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A record of ours that was damaged is not forgotten in silence: the container that its name tells may be frozen.
func TestADamagedRecordIsNamedOnce(t *testing.T) {
	t.Setenv(state.Variable, t.TempDir())
	dir, err := directory()
	if err != nil {
		t.Fatal(err)
	}
	id := strings.Repeat("ab", 32)
	for _, text := range []string{"", `{"container":"`, `[]`, `{"x":1}`} {
		if err := errors.Join(os.MkdirAll(dir, 0o700),
			os.WriteFile(filepath.Join(dir, id+".json"), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		var f *fault.Error
		if err := ThawLeft(t.Context(), engineSays{}); !errors.As(err, &f) || f.Code != fault.Config ||
			!strings.Contains(f.Next, "docker restart "+id) {
			t.Errorf("%q: %v", text, err)
		}
		if err := ThawLeft(t.Context(), engineSays{}); err != nil {
			t.Errorf("%q, again: %v", text, err)
		}
	}
	if kept, _ := filepath.Glob(filepath.Join(dir, id+".json.damaged*")); len(kept) != 4 {
		t.Errorf("kept: %v", kept)
	}
}

func TestBeginWithoutCgroup(t *testing.T) {
	t.Setenv(state.Variable, t.TempDir())
	if _, err := Begin(strings.Repeat("ab", 32), time.Second); err == nil {
		t.Error("a container that is not there was frozen")
	}
	if dir, err := directory(); err != nil || exists(dir) {
		t.Errorf("something was written down for it: %v", err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
