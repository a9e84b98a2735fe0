package provision

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/stepnet"
	"github.com/25eloquence/compose-mage/internal/ui"
)

func TestStateIsReadAsWritten(t *testing.T) {
	t.Setenv(state.Variable, t.TempDir())
	dir, err := state.Dir()
	if err != nil {
		t.Fatal(err)
	}
	if s, err := Load(); err != nil || !reflect.DeepEqual(s, State{}) {
		t.Fatalf("state of an empty directory: got %+v, %v, want the zero State", s, err)
	}
	want := State{
		Builder: "unix:///x", Registry: "127.0.0.1:5000",
		Processes: []daemon.Process{{Name: "builder", PID: 7, Start: "boot:1", Args: []string{"a", "b"}, Log: "l"}},
	}
	if err := want.save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := Load()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("files beside state.json after saving: %v, %v", entries, err)
	}
}

func TestCorruptStateSaysSoAndIsNoError(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(state.Variable, dir)
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"builder": "unix`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load()
	if err != nil || s.Builder != "" || !strings.Contains(s.Note, "state.json\" is not JSON") ||
		!strings.Contains(s.Note, "go tool mage setup") {
		t.Errorf("got %+v, %v, want a zero State whose Note says what is wrong", s, err)
	}
	if err := errors.Join((&setup{dir: dir, state: s, out: ui.New(&daemon.Tail{})}).setAsideDamaged(),
		s.save(dir)); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(filepath.Join(dir, "state.json.damaged")); err != nil ||
		string(kept) != `{"builder": "unix` {
		t.Errorf("the damaged file is lost: %q, %v", kept, err)
	}
}

// A save that is cut short must leave the old state: nothing may be written to state.json itself.
func TestSaveReplacesTheFile(t *testing.T) {
	dir := t.TempDir()
	if err := (State{Builder: "one"}).save(dir); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(filepath.Join(dir, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := (State{Builder: "two"}).save(dir); err != nil {
		t.Fatal(err)
	}
	old := make([]byte, 100)
	n, err := open.Read(old)
	if err != nil || !strings.Contains(string(old[:n]), `"one"`) {
		t.Errorf("who had the file open reads %q, %v: it was written in place", old[:n], err)
	}
}

// Proxies are led to the steps of the builder that setup started, not to those of another, which know no such gateway.
func TestTheStepsNetworkIsThatOfSetupsBuilder(t *testing.T) {
	n := &stepnet.Network{Bridge: "cm1"}
	s := State{
		Builder: "tcp://other:1234", Network: n,
		Processes: []daemon.Process{{Name: "builder", Address: "unix:///state/run/buildkitd.sock"}},
	}
	if s.StepNetwork("unix:///state/run/buildkitd.sock") != n || s.StepNetwork(s.Builder) != nil ||
		(State{Network: n}).StepNetwork("") != nil {
		t.Error("the network is another builder's")
	}
}

func TestTheBuildersContainerIsInTheHostsNetworkOnlyWhereItMustBe(t *testing.T) {
	for name, c := range map[string]struct {
		f    facts
		want string
	}{
		"Linux":                            {facts{os: "linux"}, "host"},
		"macOS":                            {facts{os: "darwin"}, "default"},
		"macOS, a cache elsewhere":         {facts{os: "darwin", cacheRegistry: "ghcr.io/o/r"}, "default"},
		"Windows, a cache on a loopback":   {facts{os: "windows", cacheRegistry: "localhost:5000/x"}, "host"},
		"Windows, a cache of another kind": {facts{os: "windows", cacheRegistry: "type=gha"}, "default"},
	} {
		if got := containerNetwork(c.f); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Programs, keys and configurations lie there: who can replace them is trusted with all of it.
func TestAStateDirectoryOpenToAllIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it has no such modes")
	}
	dir := t.TempDir()
	t.Setenv(state.Variable, dir)
	for mode, ok := range map[os.FileMode]bool{
		0o777: false, 0o1777: false, 0o702: false, 0o700: true, 0o755: true,
		0o775: true,
	} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		_, release, err := begin(t.Context(), Options{Out: ui.New(&daemon.Tail{})})
		if err == nil {
			release()
		}
		var f *fault.Error
		if (err == nil) != ok || !ok && (!errors.As(err, &f) || f.Code != fault.Config || f.Next != "chmod o-w "+dir) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}
