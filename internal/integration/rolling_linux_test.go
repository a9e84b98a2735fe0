//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// TestIntegrationRollingInterrupted ends roll-outs after more and more of their way, by Ctrl-C: before the new
// container has taken over it is gone at once and the old one serves on, after that the old one is.
func TestIntegrationRollingInterrupted(t *testing.T) {
	f := newRolled(t, loaded, false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept, replaced := 0, 0
	for n, after := range []time.Duration{100, 400, 800, 1200, 1600, 2000, 2500} {
		ctx, cancel := context.WithCancel(t.Context())
		pressed := make(chan time.Time, 1)
		timer := time.AfterFunc(after*time.Millisecond, func() { pressed <- time.Now(); cancel() })
		was := f.wants("web", 1)[0].ID
		err := f.restart(ctx, time.Duration(n).String(), lifecycle.RestartOptions{Rolling: true})
		if !timer.Stop() {
			if took := time.Since(<-pressed); took > 8*time.Second {
				t.Errorf("after %d ms: ended %s after Ctrl-C", after, took)
			}
		}
		cancel()
		switch now := f.wants("web", 1)[0].ID; {
		case now == was && !errors.Is(err, context.Canceled):
			t.Errorf("after %d ms: the old container is kept, with %v", after, err)
		case now == was:
			kept++
		default:
			replaced++
		}
	}
	if kept == 0 || replaced == 0 {
		t.Errorf("the old container was kept %d times and replaced %d times: not both halves were interrupted", kept,
			replaced)
	}
	if got := f.endLoad(); got.Failed > 0 {
		t.Errorf("%d of %d requests failed: %q", got.Failed, got.Requests, got.Errors)
	}
}

// childVariable makes TestIntegrationRollingChild roll the project in that folder out.
const childVariable = "ROLLING_CHILD"

// TestIntegrationRollingChild is the process that TestIntegrationRollingKilled kills.
func TestIntegrationRollingChild(t *testing.T) {
	dir := os.Getenv(childVariable)
	if dir == "" {
		return
	}
	e, err := engine.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := compose.Load(t.Context(), compose.Request{Dir: dir, Machine: e.Machine()})
	if err != nil {
		t.Fatal(err)
	}
	if err := lifecycle.Restart(t.Context(), e, s.Project,
		lifecycle.RestartOptions{Out: ui.Stdout(), Rolling: true}); err != nil {
		t.Fatal(err)
	}
}

// killsVariable says how many roll-outs TestIntegrationRollingKilled kills; 4 by default.
const killsVariable = "ROLLKILLS"

// TestIntegrationRollingKilled kills roll-outs (SIGKILL) after more and more of their way, and while a container is
// frozen. Nothing stays frozen, and the next roll-out ends with exactly the containers that there should be.
func TestIntegrationRollingKilled(t *testing.T) {
	kills := 4
	if text := os.Getenv(killsVariable); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil || kills < 1 {
			t.Fatalf("%s=%q is no number of kills", killsVariable, text)
		}
	}
	f := newRolled(t, rolled, false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	halves, frozen := 0, 0
	for n := range kills {
		t.Setenv("VERSION", "killed-"+strconv.Itoa(n))
		child := exec.Command(os.Args[0], "-test.run=^TestIntegrationRollingChild$")
		child.Env = append(os.Environ(), childVariable+"="+f.dir)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		switch n % 4 {
		case 0, 2: // while the new container is frozen, and while the old one is
			f.awaitFreeze(1 + n%4/2)
			time.Sleep(time.Duration(rand.N(60)) * time.Millisecond)
		case 3: // when the new container has taken over, or while it does
			f.awaitTakeOver()
		default:
			time.Sleep(time.Duration(300+n%12*200) * time.Millisecond)
		}
		_ = child.Process.Signal(syscall.SIGKILL)
		_ = child.Wait()
		if f.anyFrozen() {
			frozen++
		}
		if len(f.containers("web")) == 2 {
			halves++
		}
		if n%4 == 3 { // as when the machine is switched off then
			f.stopContainers()
		}
		if n%6 == 2 { // the second process too: now the next command has to
			f.killThawers()
			var printed output
			_ = f.mage("compose.yaml", &printed, "status").Run() // that not all is well it may well say
			contains(t, printed.String(), "web")
			f.wants("web", 1)
			if f.anyFrozen() {
				t.Fatalf("kill %d: still frozen after the next command:\n%s", n, printed.String())
			}
		}
		enginetest.Until(t, 5*time.Second, "nothing is frozen", func() bool { return !f.anyFrozen() })
		if err := f.restart(t.Context(), "", lifecycle.RestartOptions{Rolling: true}); err != nil {
			t.Fatalf("after a kill: %v\n%s", err, f.out.String())
		}
		f.wants("db", 1)
		f.wants("web", 1)
		f.endsHealthy("web")
		if files := f.frozenRecords(); len(files) > 0 {
			t.Errorf("kill %d: records are left: %v", n, files)
		}
	}
	t.Logf("%d kills: %d in the middle of a roll-out, %d while a container was frozen", kills, halves, frozen)
	if halves*3 < kills || frozen == 0 && os.Geteuid() == 0 {
		t.Errorf("only %d of %d kills hit a roll-out in its middle, and %d a freeze", halves, kills, frozen)
	}
}

// awaitTakeOver waits until a container that replaces another is found under the service's name, or for a while.
func (f *fixture) awaitTakeOver() {
	f.t.Helper()
	fresh := client.Filters{}.Add("label", "com.docker.compose.project="+f.name, "com.25eloquence.replaces")
	var was []string // those that had replaced one before
	for n, deadline := 0, time.Now().Add(8*time.Second); time.Now().Before(deadline); n++ {
		list, err := f.engine.ContainerList(context.Background(),
			client.ContainerListOptions{All: true, Filters: fresh})
		if err != nil {
			f.t.Fatal(err)
		}
		for _, c := range list.Items {
			if n == 0 {
				was = append(was, c.ID)
			}
			found, err := f.engine.ContainerInspect(context.Background(), c.ID, client.ContainerInspectOptions{})
			if err != nil || slices.Contains(was, c.ID) {
				continue
			}
			if e := found.Container.NetworkSettings.Networks[f.name+"_default"]; e != nil &&
				slices.Contains(e.Aliases, "web") {
				return
			}
		}
	}
}

// awaitFreeze waits until the nth freeze from now has begun, or for a while where nobody is frozen by us.
func (f *fixture) awaitFreeze(nth int) {
	f.t.Helper()
	held := false
	for deadline := time.Now().Add(4 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		now := len(f.frozenRecords()) > 0
		if now && !held {
			nth--
		}
		if held = now; held && nth == 0 {
			return
		}
	}
}

// killThawers kills the second processes of those who froze.
func (f *fixture) killThawers() {
	f.t.Helper()
	for _, file := range f.frozenRecords() {
		var record struct{ Thawer struct{ PID int } }
		if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &record) == nil && record.Thawer.PID > 1 {
			_ = syscall.Kill(-record.Thawer.PID, syscall.SIGKILL)
		}
	}
}

// anyFrozen says whether the kernel holds one of the project's containers frozen, whoever asked for it.
func (f *fixture) anyFrozen() bool {
	f.t.Helper()
	ids := map[string]bool{}
	for _, c := range f.containers("") {
		ids[c.ID], ids["docker-"+c.ID+".scope"] = true, true
	}
	frozen := false
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || !ids[d.Name()] {
			return nil
		}
		v1, _ := os.ReadFile(filepath.Join(path, "freezer.state"))
		v2, _ := os.ReadFile(filepath.Join(path, "cgroup.freeze"))
		frozen = frozen || strings.HasPrefix(string(v1), "FR") || strings.HasPrefix(string(v2), "1")
		return fs.SkipDir
	})
	return frozen
}

// pressesVariable says at how many moments more TestIntegrationRollingCtrlC presses Ctrl-C, all over a roll-out; none
// by default.
const pressesVariable = "ROLLPRESSES"

// TestIntegrationRollingCtrlC presses Ctrl-C in the real command at more and more of a roll-out's way, with
// connections that stay open and an old container that takes its time to end. One container is left, and the next
// roll-out finds nothing to put right.
func TestIntegrationRollingCtrlC(t *testing.T) {
	t.Setenv("INTERVAL", "15s")
	f := newRolled(t,
		strings.NewReplacer("stop_grace_period: 3s", "stop_grace_period: 20s", "READY_AFTER: 500ms",
			"READY_AFTER: 500ms, LINGER: 10s").Replace(loaded), false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n, c := range []struct {
		sign     string
		after    time.Duration
		replaced bool
	}{
		{"its configuration changed", 300 * time.Millisecond, false},
		{"has taken over", 0, true},
		{"has taken over", 2 * time.Second, true},
	} {
		was := f.wants("web", 1)[0].ID
		t.Setenv("VERSION", "interrupted-"+strconv.Itoa(n))
		printed := f.ctrlC(t, "compose.yaml", c.sign, c.after, "restart", "-rolling")
		now := f.wants("web", 1)[0].ID
		if (now != was) != c.replaced {
			t.Errorf("%s after %q: replaced: %v\n%s", c.after, c.sign, now != was, printed)
		}
		if f.anyFrozen() || len(f.frozenRecords()) > 0 {
			t.Errorf("%s after %q: left frozen", c.after, c.sign)
		}
	}
	t.Setenv("INTERVAL", "2s")
	left := 0
	for n := range numberIn(t, pressesVariable, 0) {
		left += f.pressAnywhere(n)
	}
	t.Logf("something was left for the next command %d times", left)
}

// pressAnywhere presses Ctrl-C at a random moment of a roll-out. It ends in Mage's time with 130, or was done before;
// a container serves; and the next command, of whatever kind, leaves nothing but that one. It says how much there was
// to put right.
func (f *fixture) pressAnywhere(n int) int {
	t := f.t
	t.Helper()
	t.Setenv("VERSION", "anywhere-"+strconv.Itoa(n))
	after := rand.N(6 * time.Second)
	var printed output
	command := f.mage("compose.yaml", &printed, "restart", "-rolling")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	enginetest.Until(t, time.Minute, "the roll-out begins",
		func() bool { return strings.Contains(printed.String(), "restarting ") })
	time.Sleep(after)
	pressed := time.Now()
	_ = syscall.Kill(-command.Process.Pid, syscall.SIGINT)
	err := command.Wait()
	var exit *exec.ExitError
	if took := time.Since(pressed); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 130) ||
		took > 5*time.Second {
		t.Errorf("press %d, after %s: ended %s later with %v:\n%s", n, after, took, err, printed.String())
	}
	serving := slices.DeleteFunc(f.containers("web"), func(c container.InspectResponse) bool {
		e := c.NetworkSettings.Networks[f.name+"_default"]
		return !c.State.Running || c.State.Paused || e == nil || !slices.Contains(e.Aliases, "web")
	})
	if len(serving) == 0 || f.anyFrozen() {
		t.Errorf("press %d, after %s: %d containers serve, frozen %v:\n%s", n, after, len(serving), f.anyFrozen(),
			printed.String())
	}
	left := len(f.containers("web")) - 1
	next := [][]string{
		{"status"}, {"restart", "-rolling"}, {"start"}, {"monitor"}, {"logs"}, {"restart"}, {"cleanup"}, {"stop"},
	}[n%8]
	var said output
	if err := f.mage("compose.yaml", &said, next...).Run(); err != nil && next[0] != "status" {
		t.Errorf("press %d, after %s: then %s ends with %v:\n%s", n, after, next, err, said.String())
	}
	if next[0] == "stop" {
		if now := f.containers("web"); len(now) != 1 || now[0].State.Running {
			t.Errorf("press %d, after %s: stop leaves %d containers", n, after, len(now))
		}
		f.mustStart()
	}
	f.wants("web", 1)
	return left
}
