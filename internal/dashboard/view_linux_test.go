package dashboard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/wait"
)

// viewCase makes the test's program show the view on its terminal instead of running tests: what of is in it.
const viewCase = "DASHBOARD_TEST_VIEW"

func TestMain(m *testing.M) {
	if of := os.Getenv(viewCase); of != "" {
		os.Exit(view(of))
	}
	os.Exit(m.Run())
}

// view shows the view, and gives the exit code that a target would have.
func view(of string) int {
	s := &scene{snapshots: make(chan monitor.Snapshot, 1), first: snapshot(six()...)}
	p := &program{model: fresh(0, 0), observer: s}
	var err error
	if p.history, err = history.ReadOnly(os.DevNull); err != nil {
		return 1
	}
	p.readWith = func(ctx context.Context, _ string, line func(string)) error {
		for i := 0; ctx.Err() == nil; i++ {
			line(fmt.Sprintf("line %d \x1b[2J\x1b[H\x1b]0;owned\a", i))
			_ = wait.For(ctx, 10*time.Millisecond)
		}
		return nil
	}
	p.restartWith = func(ctx context.Context, service string, out io.Writer) error {
		_, _ = fmt.Fprintf(out, "stopping %s\n\x1b[2Jdone", service)
		if of == "slow" {
			<-ctx.Done()
			_ = wait.For(context.Background(), 300*time.Millisecond) // puts right what it began
			return fault.Exit(ctx, ctx.Err())
		}
		return nil
	}
	switch of {
	case "panic":
		p.sort = len(sorts)
	case "lost":
		s.fail = errors.New("connection refused")
	}
	err = fault.Exit(context.Background(), p.run(context.Background(), os.Stdin, os.Stdout))
	var coded interface{ ExitStatus() int }
	if errors.As(err, &coded) {
		fmt.Printf("error: %v\r\n", err)
		return coded.ExitStatus()
	}
	fmt.Printf("ended\r\n")
	return 0
}

// scene is an Observer: it gives one snapshot, or fails so often before that.
type scene struct {
	snapshots chan monitor.Snapshot
	first     monitor.Snapshot
	fail      error
	runs      int
}

func (s *scene) Run(ctx context.Context) error {
	if s.runs++; s.fail == nil || s.runs != 2 {
		s.snapshots <- s.first
	}
	if s.fail != nil && s.runs < 3 {
		_ = wait.For(ctx, 200*time.Millisecond)
		return s.fail
	}
	<-ctx.Done()
	return nil
}

func (s *scene) Follow() (<-chan monitor.Snapshot, func()) { return s.snapshots, func() {} }

// terminal is an emulated one with the view on it.
type terminal struct {
	t       *testing.T
	command *exec.Cmd
	pty     *os.File
	before  *unix.Termios // the terminal's modes before the view was started
	ended   chan struct{}

	mutex  sync.Mutex
	screen *vt.Emulator
	raw    bytes.Buffer
}

// start shows the view on a terminal of that size, or a shell where of is empty.
func start(t *testing.T, of string, width, height int) *terminal {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, screen: vt.NewEmulator(width, height), ended: make(chan struct{})}
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	master = pollable(t, master)
	term.pty = master
	term.size(width, height)
	if term.before, err = modes(master); err != nil {
		t.Fatal(err)
	}
	term.command = exec.Command(program)
	if of == "" {
		term.command = exec.Command("sh", "-i")
	}
	term.command.Env = append(os.Environ(), viewCase+"="+of, "TERM=xterm-256color", "PS1=$ ")
	term.command.Stdin, term.command.Stdout, term.command.Stderr = slave, slave, slave
	term.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := term.command.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	go term.listen()
	go func() { _, _ = io.Copy(master, term.screen) }() // answers to what the view asks
	t.Cleanup(func() {
		_ = term.command.Process.Kill()
		_ = master.Close()
	})
	return term
}

// pollable is the file with deadlines that work.
func pollable(t *testing.T, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "pty")
}

// modes are those of a terminal; its descriptor stays one that a deadline works on.
func modes(f *os.File) (found *unix.Termios, err error) {
	c, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	failed := c.Control(func(fd uintptr) { found, err = unix.IoctlGetTermios(int(fd), unix.TCGETS) })
	return found, errors.Join(failed, err)
}

// listen draws what the view writes.
func (term *terminal) listen() {
	defer close(term.ended)
	buffer := make([]byte, 4096)
	for {
		n, err := term.pty.Read(buffer)
		term.mutex.Lock()
		term.raw.Write(buffer[:n])
		_, _ = term.screen.Write(buffer[:n])
		term.mutex.Unlock()
		if err != nil {
			return
		}
	}
}

func (term *terminal) size(width, height int) {
	term.t.Helper()
	term.mutex.Lock()
	term.screen.Resize(width, height)
	term.mutex.Unlock()
	c, err := term.pty.SyscallConn()
	if err != nil {
		term.t.Fatal(err)
	}
	_ = c.Control(func(fd uintptr) {
		err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(width), Row: uint16(height)})
	})
	if err != nil {
		term.t.Fatal(err)
	}
}

func (term *terminal) press(keys string) {
	if _, err := term.pty.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// shows is the text on the screen: colours of spaces are nobody's concern, and how they came to be differs.
func (term *terminal) shows() string {
	term.mutex.Lock()
	defer term.mutex.Unlock()
	return term.screen.String()
}

func (term *terminal) written() string {
	term.mutex.Lock()
	defer term.mutex.Unlock()
	return term.raw.String()
}

// until waits until the screen is so.
func (term *terminal) until(what string, is func(screen string) bool) {
	term.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if is(term.shows()) {
			return
		}
	}
	written := term.written()
	term.t.Fatalf("%s: never; the screen is\n%s\nwritten last:\n%q", what, term.shows(),
		written[max(0, len(written)-3000):])
}

func (term *terminal) has(text string) {
	term.t.Helper()
	term.until(text, func(screen string) bool { return strings.Contains(screen, text) })
}

// exit waits for the view's end, and gives its exit code; the terminal has to be as it was before.
func (term *terminal) exit() int {
	term.t.Helper()
	late := time.AfterFunc(20*time.Second, func() { _ = term.command.Process.Kill() })
	defer late.Stop()
	_ = term.command.Wait()
	<-term.ended
	if after, err := modes(term.pty); err != nil || *after != *term.before {
		term.t.Errorf("the terminal's modes are not what they were: %+v, before %+v (%v)", after, term.before, err)
	}
	written := term.written()
	for set, reset := range map[string]string{"\x1b[?1049h": "\x1b[?1049l", "\x1b[?25l": "\x1b[?25h"} {
		if strings.LastIndex(written, set) > strings.LastIndex(written, reset) {
			term.t.Errorf("%q was not taken back: %q", set, written[max(0, len(written)-500):])
		}
	}
	return term.command.ProcessState.ExitCode()
}

// expected is the screen that the messages give.
func expected(width, height int, m *model) string {
	screen := vt.NewEmulator(width, height)
	m.width, m.height = width, height
	_, _ = screen.Write([]byte("\x1b[?25l" + strings.ReplaceAll(m.frame(), "\n", "\r\n")))
	return screen.String()
}

// TestResize: after each change of the size, alone or in a burst, the screen is that of this size.
func TestResize(t *testing.T) {
	term := start(t, "six", 80, 24)
	m := drawn(80, 24, seesSix)
	term.has("nothing is wrong")
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	for i := range 50 {
		width, height := 40+random.IntN(180), 10+random.IntN(55)
		for range random.IntN(4) { // a window that is dragged
			term.size(40+random.IntN(180), 10+random.IntN(55))
			time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
		}
		term.size(width, height)
		want := expected(width, height, m)
		term.until(fmt.Sprintf("size %d of seed %d, %d×%d:\n%s", i, seed, width, height, want),
			func(screen string) bool { return screen == want })
	}
	time.Sleep(200 * time.Millisecond) // nothing that comes late changes it
	if got, want := term.shows(), expected(m.width, m.height, m); got != want {
		t.Errorf("in the end the screen is\n%s\nwant\n%s", got, want)
	}
	term.press("q")
	if code := term.exit(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
}

// TestNothingIsWrittenWhenNothingChanges: equal frames are not drawn again.
func TestNothingIsWrittenWhenNothingChanges(t *testing.T) {
	term := start(t, "six", 80, 24)
	term.has("nothing is wrong")
	time.Sleep(300 * time.Millisecond)
	before := len(term.written())
	time.Sleep(time.Second)
	if n := len(term.written()) - before; n > 0 {
		t.Errorf("%d bytes were written: %q", n, term.written()[before:])
	}
}

func TestTerminalIsRestored(t *testing.T) {
	for name, c := range map[string]struct {
		of   string
		end  func(*terminal)
		code int
		says string
	}{
		"q":       {end: func(term *terminal) { term.press("q") }, says: "ended"},
		"Ctrl-C":  {end: func(term *terminal) { term.press("\x03") }, says: "ended"},
		"SIGTERM": {end: func(term *terminal) { term.signal(syscall.SIGTERM) }, code: 130, says: "ended by a signal"},
		"SIGHUP":  {end: func(term *terminal) { term.signal(syscall.SIGHUP) }, code: 130, says: "ended by a signal"},
		"a panic": {of: "panic", end: func(*terminal) {}, code: 1, says: "drawing the live view"},
		"a restart that is given up": {of: "slow", end: func(term *terminal) {
			term.press("ry")
			term.has("stopping agent-py")
			term.press("q")
			term.has("give it up?")
			term.press("y")
		}, code: 130, says: "interrupted"},
		"a restart and SIGTERM": {of: "slow", end: func(term *terminal) {
			term.press("ry")
			term.has("stopping agent-py")
			term.signal(syscall.SIGTERM)
		}, code: 130, says: "ended by a signal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.of == "" {
				c.of = "six"
			}
			term := start(t, c.of, 80, 24)
			if c.of != "panic" {
				term.has("nothing is wrong")
			}
			c.end(term)
			if code := term.exit(); code != c.code {
				t.Errorf("it ends with %d, want %d", code, c.code)
			}
			last := term.written()
			if !strings.Contains(last[strings.LastIndex(last, "\x1b[?1049l")+1:], c.says) {
				t.Errorf("after the view there is no %q: %q", c.says, last)
			}
		})
	}
}

func (term *terminal) signal(s syscall.Signal) {
	if err := term.command.Process.Signal(s); err != nil {
		term.t.Fatal(err)
	}
}

// TestSuspend: Ctrl-Z gives the terminal back to the shell; when the view goes on, it is there again, in the new size.
func TestSuspend(t *testing.T) {
	term := start(t, "", 80, 24)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	term.press(viewCase + "=six " + program + "\n")
	term.has("nothing is wrong")
	term.press("\x1a")
	term.until("the shell", func(screen string) bool { return !strings.Contains(screen, "SERVICE") })
	term.press("stty -a; echo the' 'end\n")
	term.has("the end")
	if screen := term.shows(); !strings.Contains(screen, " icanon") || !strings.Contains(screen, " echo ") {
		t.Errorf("the terminal's modes are not what they were:\n%s", screen)
	}
	term.size(100, 30)
	term.press("fg\n")
	want := expected(100, 30, drawn(100, 30, seesSix))
	term.until("the view again", func(screen string) bool { return screen == want })
	term.press("q")
	term.until("the shell", func(screen string) bool { return !strings.Contains(screen, "SERVICE") })
	term.press("exit\n")
	if code := term.exit(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
}

// TestTerminalGone: a window that is closed ends the view.
func TestTerminalGone(t *testing.T) {
	term := start(t, "six", 80, 24)
	term.has("nothing is wrong")
	_ = term.pty.SetReadDeadline(time.Now()) // the reader gives the terminal free, so that it can be closed
	<-term.ended
	_ = term.pty.Close()
	late := time.AfterFunc(20*time.Second, func() { _ = term.command.Process.Kill() })
	defer late.Stop()
	_ = term.command.Wait()
	if code := term.command.ProcessState.ExitCode(); code != 130 && code != 1 {
		t.Errorf("it ends with %d", code)
	}
}

// TestEngineComesBack: an engine that goes away is said, and the view goes on when it is back.
func TestEngineComesBack(t *testing.T) {
	term := start(t, "lost", 100, 24)
	term.has("nothing is wrong")
	term.has("the engine is away since")
	term.has("connection refused")
	term.until("the engine again", func(screen string) bool {
		return strings.Contains(screen, "nothing is wrong") && !strings.Contains(screen, "engine is away")
	})
}

// TestForeignTextOnTheTerminal: a log that would clear the screen and name the window does neither.
func TestForeignTextOnTheTerminal(t *testing.T) {
	term := start(t, "six", 120, 30)
	term.has("nothing is wrong")
	term.press("l")
	term.has(`line 3 \x1b[2J\x1b[H`)
	if written := term.written(); strings.Contains(written, "\x1b]0;") {
		t.Error("the log has set the title of the window")
	}
	term.has("log of voice-agent-py-1")
	term.press("l")
	term.until("no log", func(screen string) bool { return !strings.Contains(screen, "log of") })
}
