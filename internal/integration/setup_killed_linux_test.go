//go:build integration

package integration

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/enginetest/current"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/provision"
	"github.com/25eloquence/compose-mage/internal/state"
)

// setupKillsVariable says how many setups TestIntegrationSetupKilled kills something in; few by default, for a setup
// takes its time.
const setupKillsVariable = "SETUPKILLS"

// TestIntegrationSetupKilled kills (SIGKILL) setup, or the builder or the registry that it has started, at moments
// all over it. The next setup ends well, with one builder and one registry. It has a state of its own and an engine
// of its own.
func TestIntegrationSetupKilled(t *testing.T) {
	kills := numberIn(t, setupKillsVariable, 2)
	machine, err := state.Dir()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "setup")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, what := range []string{"bin", "tools", "bases", "bases.lock", "registry"} { // what takes minutes to make
		if out, err := exec.Command("cp", "-a", filepath.Join(machine, what), dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()
	address := free.Addr().(*net.TCPAddr)
	t.Setenv(provision.PortVariable, strconv.Itoa(address.Port))
	c := newCrashable(t, current.Options{Distribution: true, Loopback: []string{address.String()}}, "compose.yaml",
		"services:\n  web: {image: \"crashed:1\"}\n")
	t.Setenv(state.Variable, dir)
	run := func(printed *output, target string) *exec.Cmd {
		path, err := mageBinary()
		if err != nil {
			t.Fatal(err)
		}
		command := exec.Command(path, target)
		command.Dir = filepath.Join("..", "..")
		command.Env = append(os.Environ(), "COMPOSE_FILE="+filepath.Join(c.fixture.dir, "compose.yaml"))
		command.Stdout, command.Stderr = printed, printed
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		return command
	}
	t.Cleanup(func() {
		var printed output
		if err := run(&printed, "teardown").Run(); err != nil {
			t.Errorf("teardown: %v\n%s", err, printed.String())
		}
	})
	took := time.Duration(0)
	for range 2 { // the second is as those that are killed are: the engine has the base
		killDaemon(dir, "buildkitd")
		killDaemon(dir, "registry")
		var printed output
		began := time.Now()
		if err := run(&printed, "setup").Run(); err != nil {
			t.Fatalf("setup: %v\n%s", err, printed.String())
		}
		took = time.Since(began)
	}
	t.Logf("a setup takes %s", took)
	cut := 0
	for n := range kills {
		var printed output
		victim := []string{"ours", "buildkitd", "ours", "registry", "ours"}[n%5]
		if n%4 != 3 { // else the daemons are there
			for _, name := range []string{"buildkitd", "registry"} {
				killDaemon(dir, name)
			}
		}
		command := run(&printed, "setup")
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		after := rand.N(took * 3 / 4)
		time.Sleep(after)
		if victim == "ours" {
			_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		} else {
			killDaemon(dir, victim)
		}
		err := command.Wait()
		if err != nil {
			cut++
		}
		what := fmt.Sprintf("kill %d, of %s after %s", n, victim, after)
		var exit *exec.ExitError
		if victim != "ours" && err != nil &&
			(!errors.As(err, &exit) || exit.ExitCode() != int(fault.Builder) &&
				exit.ExitCode() != int(fault.Registry)) {
			t.Errorf("%s: it ends with %v:\n%s", what, err, printed.String())
		}
		var again output
		if err := run(&again, "setup").Run(); err != nil {
			t.Fatalf("%s: the next ends with %v:\n%s", what, err, again.String())
		}
		for _, name := range []string{"buildkitd", "registry"} {
			if pids := daemons(dir, name); len(pids) != 1 {
				t.Errorf("%s: %d processes of %s:\n%s", what, len(pids), name, again.String())
			}
		}
	}
	t.Logf("%d kills, %d of which cut a setup short", kills, cut)
}

// daemons are the processes of a program that a state's setup has started.
func daemons(dir, name string) []int {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var pids []int
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if program, _, _ := strings.Cut(string(text), "\x00"); program == filepath.Join(dir, "bin", name) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

func killDaemon(dir, name string) {
	for _, pid := range daemons(dir, name) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
