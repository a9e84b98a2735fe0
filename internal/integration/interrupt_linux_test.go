//go:build integration

package integration

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/verify"
)

// output collects what a program prints while it runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// TestIntegrationCtrlC presses Ctrl-C as a terminal does, in the whole process group, while Mage is in the middle of a
// target: it must end within Mage's five seconds with 130 and leave no process.
func TestIntegrationCtrlC(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  web: {build: ., environment: {NEVER: 1}, "+health+
		"}\n").withService()
	f.mustBuild()
	f.write("slow.yaml", "services:\n  slow: {build: {context: ., dockerfile: Slow}}\n")
	f.write("Slow", "FROM scratch\nCOPY service /service\nRUN [\"/service\"]\n")
	for target, c := range map[string]struct{ file, sign string }{
		"start": {"compose.yaml", "starting " + f.name},
		"build": {"slow.yaml", "] RUN "},
	} {
		t.Run(target, func(t *testing.T) { f.ctrlC(t, c.file, c.sign, 500*time.Millisecond, target) })
	}
}

// ctrlC runs Mage with the arguments on the Compose file and presses Ctrl-C in it that long after it has printed the
// sign. It must end in Mage's time with 130 and leave no process.
func (f *fixture) ctrlC(t *testing.T, file, sign string, after time.Duration, arguments ...string) string {
	t.Helper()
	var printed output
	command := f.mage(file, &printed, arguments...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); !strings.Contains(printed.String(),
		sign); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
			t.Fatalf("never got under way:\n%s", printed.String())
		}
	}
	time.Sleep(after)
	pressed := time.Now()
	_ = syscall.Kill(-command.Process.Pid, syscall.SIGINT)
	err := command.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("ended with %v, want exit status 130:\n%s", err, printed.String())
	}
	if took := time.Since(pressed); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	if err := syscall.Kill(-command.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("processes are left in its group: %v", err)
	}
	return printed.String()
}

// mage is the real command on one of the fixture's Compose files.
func (f *fixture) mage(file string, printed *output, arguments ...string) *exec.Cmd {
	command := exec.Command("go", append([]string{"tool", "mage"}, arguments...)...)
	command.Dir = filepath.Join("..", "..")
	command.Env = append(os.Environ(), "COMPOSE_FILE="+filepath.Join(f.dir, file), "CACHE_REGISTRY=none",
		"BUILDKIT_HOST="+os.Getenv(verify.BuilderVariable))
	command.Stdout, command.Stderr = printed, printed
	return command
}
