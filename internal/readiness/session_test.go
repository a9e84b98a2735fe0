package readiness

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/semaphore"
)

// shell is a container in which a shell can be opened. It prints its first line, and answers each word with the
// check's output and exit code, as sessionScript does.
type shell struct {
	fakeContainer
	first   string // "" where the shell ends at once
	outputs []string
	codes   []string
	asked   int
}

func (s *shell) ExecCreate(context.Context, string, client.ExecCreateOptions) (client.ExecCreateResult, error) {
	return client.ExecCreateResult{ID: "shell"}, nil
}

func (s *shell) ExecAttach(context.Context, string, client.ExecAttachOptions) (client.ExecAttachResult, error) {
	ours, theirs := net.Pipe()
	output, printed := io.Pipe()
	go func() {
		defer printed.Close()
		if s.first == "" {
			return
		}
		_, _ = printed.Write(frame([]byte(s.first + "\n")))
		for words := bufio.NewScanner(theirs); words.Scan(); {
			text := next(&s.outputs) + "\n" + words.Text() + " " + next(&s.codes) + "\n"
			s.asked++
			if _, err := printed.Write(frame([]byte(text))); err != nil {
				return
			}
		}
	}()
	stream := client.HijackedResponse{Conn: ours, Reader: bufio.NewReader(output)}
	return client.ExecAttachResult{HijackedResponse: stream}, nil
}

func TestSession(t *testing.T) {
	long := strings.Repeat("x", 1<<17)
	api := &shell{
		first:   "7",
		outputs: []string{"", "first\n  last  \n\n", long + "\nshort", "short\n" + long, "0 0\nfake 0"},
		codes:   []string{"0", "3", "1", "1", "9"},
	}
	s, err := openSession(t.Context(), api, "id", []string{"check"})
	if err != nil || s.pid != "7" {
		t.Fatalf("opened %+v, %v", s, err)
	}
	for _, want := range []result{{}, {3, "last"}, {1, "short"}, {1, "xxx"}, {9, "fake 0"}} {
		got, err := s.ask(t.Context())
		same := got.code == want.code && strings.HasPrefix(got.output, want.output)
		if err != nil || !same || len(got.output) > 4<<10 {
			t.Errorf("got %.100v, %v, want %v", got, err, want)
		}
	}
	s.close()
	if said, err := s.ask(t.Context()); err == nil {
		t.Errorf("a session that is closed says %v", said)
	}
}

// TestNoSession has what else than a shell may answer.
func TestNoSession(t *testing.T) {
	for name, first := range map[string]string{"nothing": "", "no number": "sh: not found"} {
		_, err := openSession(t.Context(), &shell{first: first}, "id", []string{"check"})
		if !errors.Is(err, errNoShell) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wrong := &shell{first: "7", outputs: []string{"out"}, codes: []string{"none"}}
	s, err := openSession(t.Context(), wrong, "id", []string{"check"})
	if err != nil {
		t.Fatal(err)
	}
	if said, err := s.ask(t.Context()); err == nil {
		t.Errorf("an exit code that is no number says %v", said)
	}
}

// TestShellsAreLookedForOnce has one container of each image asked in vain, unless it was about to end.
func TestShellsAreLookedForOnce(t *testing.T) {
	up, down := moby.State{Running: true, Status: moby.StateRunning}, moby.State{Status: moby.StateExited}
	for name, c := range map[string]struct {
		state moby.State
		lacks bool
	}{"runs": {up, true}, "has ended": {down, false}} {
		shells, api := NewShells(), &shell{}
		api.states = []moby.State{c.state}
		opened, err := shells.open(t.Context(), api, "id", "sha256:1", []string{"check"})
		if opened != nil || (err == nil) != c.lacks || shells.lacks("sha256:1") != c.lacks || shells.lacks("sha256:2") {
			t.Errorf("%s: opened %v, %v; the image has no shell: %v", name, opened, err, shells.lacks("sha256:1"))
		}
		api.first = "7" // a shell that is there after all is not looked for again
		if opened, _ = shells.open(t.Context(), api, "id", "sha256:1", []string{"check"}); (opened == nil) != c.lacks {
			t.Errorf("%s: opened %v the second time", name, opened)
		}
	}
}

// TestOneExecForAllProbes has only the opening of the shell take a place.
func TestOneExecForAllProbes(t *testing.T) {
	places := semaphore.New(1)
	api := &shell{first: "7", outputs: []string{"not yet"}, codes: []string{"1", "1", "0"}}
	api.states = []moby.State{{Running: true, Status: moby.StateRunning}}
	api.check = &moby.HealthConfig{Test: []string{"CMD", "check"}, Interval: time.Minute}
	taken := false
	w := &Waiter{API: api, ID: "id", Shells: NewShells(), Places: places}
	w.Progress = func(text string) {
		if text != "exit 1: not yet" {
			t.Errorf("told %q", text)
		}
		if !taken {
			if err := places.Acquire(t.Context(), 1, 9); err != nil {
				t.Error(err)
			}
			taken = true
		}
	}
	if err := w.WaitReady(t.Context()); err != nil || api.asked != 3 || !taken {
		t.Errorf("%v after %d probes", err, api.asked)
	}
	if w.session != nil {
		t.Error("the session is open still")
	}
}
