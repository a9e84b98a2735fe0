//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/pinned"
	"github.com/25eloquence/compose-mage/internal/verify"
)

// targetKillsVariable says how many runs TestIntegrationKilledAtAnyPoint kills something in; 6 by default.
const targetKillsVariable = "TARGETKILLS"

// mageBinary is the targets, compiled as Mage does.
var mageBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("integration-mage-%d", os.Getpid()))
	command := exec.Command("go", "tool", "mage", "-compile", path)
	command.Dir = filepath.Join("..", "..")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// killable is a fixture with a builder and a registry of its own, each of which may be killed.
type killable struct {
	*fixture
	builder  *enginetest.Buildkitd
	registry *exec.Cmd
	address  string // the registry's
	program  string // the registry's
}

func newKillable(t *testing.T) *killable {
	t.Helper()
	// first: it is of a program in the machine's state, and the fixture has a state of its own
	builder := enginetest.Builder(t)
	k := &killable{fixture: newRolled(t, rolled, false), builder: builder}
	program, err := pinned.Build(t.Context(), "registry")
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k.program, k.address = program[0], free.Addr().String()
	_ = free.Close()
	k.write("registry.yaml", "version: 0.1\nstorage: {filesystem: {rootdirectory: "+t.TempDir()+"}}\nhttp: {addr: \""+
		k.address+"\"}\nlog: {level: error}\n")
	k.startRegistry()
	t.Cleanup(k.killRegistry)
	return k
}

func (k *killable) startRegistry() {
	k.t.Helper()
	k.registry = exec.Command(k.program, "serve", filepath.Join(k.dir, "registry.yaml"))
	k.registry.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	if err := k.registry.Start(); err != nil {
		k.t.Fatal(err)
	}
	enginetest.Until(k.t, 10*time.Second, "the registry answers", func() bool {
		conn, err := net.Dial("tcp", k.address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func (k *killable) killRegistry() {
	_ = k.registry.Process.Kill()
	_ = k.registry.Wait()
}

// target is a target as a process group of its own.
func (k *killable) target(printed *output, arguments ...string) *exec.Cmd {
	k.t.Helper()
	path, err := mageBinary()
	if err != nil {
		k.t.Fatal(err)
	}
	command := exec.Command(path, arguments...)
	command.Dir = filepath.Join("..", "..")
	command.Env = append(os.Environ(), "COMPOSE_FILE="+filepath.Join(k.dir, "compose.yaml"), "CACHE_REGISTRY="+
		k.address, "BUILDKIT_HOST="+k.builder.Address)
	command.Stdout, command.Stderr = printed, printed
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return command
}

// TestIntegrationKilledAtAnyPoint kills (SIGKILL) the target, the builder or the registry at moments all over builds,
// starts, roll-outs and cleanups. What went away is there again for the next run of the same target, which ends well
// and leaves what it should.
func TestIntegrationKilledAtAnyPoint(t *testing.T) {
	k := newKillable(t)
	t.Setenv(verify.BuilderVariable, k.builder.Address)
	if err := k.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	kills := numberIn(t, targetKillsVariable, 6)
	cut := 0
	for n := range kills {
		if k.killIn(n) {
			cut++
		}
	}
	t.Logf("%d kills, %d of which cut a run short", kills, cut)
	if cut*5 < kills {
		t.Errorf("only %d of %d kills cut a run short", cut, kills)
	}
}

// killedRuns are what is killed in which target, in turn.
var killedRuns = []struct {
	victim    string
	arguments []string
	within    time.Duration // as long as it takes
	codes     []fault.Code  // how it may end where it is not the victim
}{
	{"ours", []string{"build"}, 500 * time.Millisecond, nil},
	{"builder", []string{"build"}, 500 * time.Millisecond, []fault.Code{fault.Builder}},
	{"ours", []string{"start"}, time.Second, nil},
	{"registry", []string{"build"}, 500 * time.Millisecond, []fault.Code{fault.Registry}},
	{"ours", []string{"restart", "-rolling"}, 3 * time.Second, nil},
	{"ours", []string{"cleanup"}, 500 * time.Millisecond, nil},
	{"builder", []string{"cleanup"}, 500 * time.Millisecond, []fault.Code{fault.Builder}},
	{"builder", []string{"start"}, time.Second, nil},
	{"registry", []string{"restart"}, time.Second, nil},
}

// killIn kills a victim in a run, and says whether that has cut it short.
func (k *killable) killIn(n int) bool {
	t, run := k.t, killedRuns[n%len(killedRuns)]
	t.Helper()
	round := strconv.Itoa(n)
	t.Setenv("VERSION", round)
	k.write("web.Dockerfile", "FROM scratch\nCOPY traffic /traffic\nLABEL round="+round+"\nUSER 10001\n")
	var printed output
	command := k.target(&printed, run.arguments...)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	after := rand.N(run.within)
	time.Sleep(after)
	what := fmt.Sprintf("kill %d, of %s in %s after %s", n, run.victim, run.arguments, after)
	switch run.victim {
	case "ours":
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	case "builder":
		k.builder.Kill()
	case "registry":
		k.killRegistry()
	}
	err := command.Wait()
	var exit *exec.ExitError
	if run.victim != "ours" && err != nil &&
		(!errors.As(err, &exit) || !slices.Contains(run.codes, fault.Code(exit.ExitCode()))) {
		t.Errorf("%s: it ends with %v:\n%s", what, err, printed.String())
	}
	switch run.victim {
	case "builder":
		k.builder.Start()
	case "registry":
		k.startRegistry()
	}
	var again output
	if err := k.target(&again, run.arguments...).Run(); err != nil {
		t.Fatalf("%s: the next run ends with %v:\n%s", what, err, again.String())
	}
	k.isWhole(what, run.arguments[0], round)
	return err != nil
}

// isWhole checks what the target has left.
func (k *killable) isWhole(what, target, round string) {
	k.t.Helper()
	if target == "build" {
		found, err := k.engine.ImageInspect(context.Background(), "it-web:"+k.name)
		if err != nil || found.Config.Labels["round"] != round {
			k.t.Errorf("%s: the image is not what was built last: %v", what, err)
		}
	}
	k.wants("db", 1)
	web := k.wants("web", 1)[0]
	if target == "start" || target == "restart" {
		if !slices.Contains(web.Config.Env, "VERSION="+round) || web.State.Health == nil ||
			web.State.Health.Status == container.Unhealthy {
			k.t.Errorf("%s: web is not as its file says: %s, %v", what, web.Config.Env, web.State.Health)
		}
	}
	if k.anyFrozen() {
		k.t.Errorf("%s: a container is left frozen", what)
	}
}
