package readiness

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// session is a shell that was started once in a container and runs its check whenever it is asked to. A question costs the check
// itself and some 3 ms of CPU, where an exec of its own costs 75 ms. The shell ends when its input does: with the session, or
// with this process, however that ends.
type session struct {
	process *engine.Process
	lines   *bufio.Reader
	pid     string // of the shell, as the container sees it
}

// sessionScript reads a word for each question, runs the check without input, and prints the word and the exit code after what
// the check has printed.
const sessionScript = `echo $$; while read -r n; do "$@" </dev/null 2>&1; c=$?; echo; echo "$n $c"; done`

// errNoShell says that a container has no shell to hold a session in.
var errNoShell = errors.New("no shell")

// openSession starts the shell for a check, which is a command and its arguments.
func openSession(ctx context.Context, api Prober, id string, check []string) (*session, error) {
	p, err := engine.StartExec(ctx, api, id, append([]string{"/bin/sh", "-c", sessionScript, "check"}, check...), true)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoShell, err)
	}
	r, w := io.Pipe()
	go func() {
		err := p.Copy(w, w)
		_ = w.CloseWithError(errors.Join(err, io.EOF))
	}()
	s := &session{process: p, lines: bufio.NewReader(r)}
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	if s.pid, err = s.line(); err != nil {
		s.close()
		return nil, errors.Join(ctx.Err(), errNoShell)
	}
	if _, err := strconv.Atoi(s.pid); err != nil {
		s.close()
		return nil, fmt.Errorf("%w: it says %q", errNoShell, s.pid)
	}
	return s, nil
}

func (s *session) close() { s.process.Close() }

// line reads one line, cut where it is longer than a screen.
func (s *session) line() (string, error) {
	text, more, err := s.lines.ReadLine()
	line := string(text)
	for more && err == nil {
		_, more, err = s.lines.ReadLine()
	}
	return line, err
}

// ask runs the check once. After an error, which may be that ctx has ended, the session is of no more use.
func (s *session) ask(ctx context.Context) (verdict, error) {
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	word := rand.Text()
	if _, err := s.process.Write([]byte(word + "\n")); err != nil {
		return verdict{}, errors.Join(ctx.Err(), err)
	}
	last := ""
	for {
		line, err := s.line()
		if err != nil {
			return verdict{}, errors.Join(ctx.Err(), err)
		}
		if code, ok := strings.CutPrefix(line, word+" "); ok {
			n, err := strconv.Atoi(code)
			return verdict{code: n, output: last}, err
		}
		if strings.TrimSpace(line) != "" {
			last = strings.TrimSpace(line)
		}
	}
}

// kill ends the shell and what it runs, from inside the moby.
func (s *session) kill(ctx context.Context, api Prober, id string) error {
	_, err := engine.Exec(ctx, api, id, []string{"/bin/sh", "-c", "kill -9 -" + s.pid})
	return err
}

// Shells remembers which images have no shell, so that only one container of each is asked in vain.
type Shells struct {
	mu   sync.Mutex
	none map[string]bool
	each map[string]*sync.Mutex
}

// NewShells is for a start that knows of no image without a shell.
func NewShells() *Shells { return &Shells{none: map[string]bool{}, each: map[string]*sync.Mutex{}} }

// open opens a session in a container of the image; nil where it has no shell.
func (s *Shells) open(ctx context.Context, api Prober, id, image string, check []string) (*session, error) {
	s.mu.Lock()
	if s.each[image] == nil {
		s.each[image] = &sync.Mutex{}
	}
	asking := s.each[image]
	s.mu.Unlock()
	asking.Lock()
	defer asking.Unlock()
	if s.Lacks(image) {
		return nil, nil
	}
	opened, err := openSession(ctx, api, id, check)
	if err == nil || !errors.Is(err, errNoShell) || ctx.Err() != nil {
		return opened, err
	}
	// Also where the container has just ended: then there is nothing to open.
	if found, inspectErr := api.ContainerInspect(ctx, id, client.ContainerInspectOptions{}); inspectErr != nil || !found.Container.State.Running {
		return nil, err
	}
	s.Lack(image)
	return nil, nil
}

// Lacks says whether the image, an ID, has no shell.
func (s *Shells) Lacks(image string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.none[image]
}

// Lack takes down that the image, an ID, has no shell.
func (s *Shells) Lack(image string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.none[image] = true
}

// Images are the IDs of the images that were found to have no shell.
func (s *Shells) Images() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.none))
}
