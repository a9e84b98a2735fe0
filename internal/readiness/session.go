package readiness

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// session is a shell that was started once in a container and runs the container's check whenever it is asked to. A
// question costs the check itself and some 3 ms of CPU, where an exec costs 75 ms. The shell ends when its input
// does: with the session, or with this process, however that ends.
type session struct {
	process *engine.Process
	lines   *bufio.Reader
	pid     string // of the shell, as the container sees it
}

// sessionScript prints the shell's process number. Then it reads a word for each question, runs the check without
// input, and prints the word and the exit code after what the check has printed.
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

// closeSession ends the shell, where one is open.
func (w *Waiter) closeSession() {
	if w.session != nil {
		w.session.close()
		w.session = nil
	}
}

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
func (s *session) ask(ctx context.Context) (result, error) {
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	word := rand.Text()
	if _, err := s.process.Write([]byte(word + "\n")); err != nil {
		return result{}, errors.Join(ctx.Err(), err)
	}
	last := ""
	for {
		line, err := s.line()
		if err != nil {
			return result{}, errors.Join(ctx.Err(), err)
		}
		if code, ok := strings.CutPrefix(line, word+" "); ok {
			n, err := strconv.Atoi(code)
			return result{code: n, output: last}, err
		}
		if strings.TrimSpace(line) != "" {
			last = strings.TrimSpace(line)
		}
	}
}

// kill ends the shell and what it runs, from inside the container.
func (s *session) kill(ctx context.Context, api Prober, id string) error {
	_, err := engine.Exec(ctx, api, id, []string{"/bin/sh", "-c", "kill -9 -" + s.pid})
	return err
}
