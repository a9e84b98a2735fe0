// Package dashboard owns the live view of a running stack on a terminal: a table of its containers that follows their
// snapshots, and on a key a container's figures with its last hour, its log, and a restart of its service. What it
// shows it is given; it asks the engine for nothing itself.
package dashboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/client"
	"github.com/moby/term"
	"github.com/sirupsen/logrus"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/logstream"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/wait"
)

// Observer is where snapshots come from; *monitor.Observer is one.
type Observer interface {
	// Run looks until ctx ends, which is no error, or the engine goes away, which is one; it can be run again then.
	Run(ctx context.Context) error
	// Follow gives every snapshot from now on.
	Follow() (snapshots <-chan monitor.Snapshot, stop func())
}

// History is where the past comes from; *history.Store is one.
type History interface {
	// Query gives a service's metric in steps of so much; where nothing was measured there is no point.
	Query(service, metric string, from, to time.Time, step time.Duration) ([]history.Point, error)
}

// Options say what the view shows, and what is done on its keys.
type Options struct {
	Project  *types.Project
	Every    time.Duration // between two snapshots, as Observer takes them
	Observer Observer
	Engine   client.APIClient // whose containers' logs are read
	Out      *ui.Out          // a terminal that Suits
	// Restart restarts a service and prints what it does to out.
	Restart func(ctx context.Context, service string, out io.Writer) error
}

// Suits says whether the reader of out can have the live view. Who has set ACCESSIBLE, as people with a screen reader
// do, and who has a terminal that only appends lines, can't.
func Suits(out *ui.Out) bool {
	_, file := out.Screen().(*os.File)
	return file && out.Terminal() && os.Getenv("TERM") != "dumb" && os.Getenv("ACCESSIBLE") == ""
}

const (
	// framesPerSecond is how often it is looked whether there is another frame to draw. A key is answered within that;
	// and each look costs, so that twenty were more than half of all that the view took.
	framesPerSecond = 10
	// linesEvery is the least time between two redraws for new lines of a log.
	linesEvery = 250 * time.Millisecond
	// firstLines is how much of a log is read before what is new.
	firstLines = 200
	// againAfter is how long an engine that went away is left alone before it is asked again.
	againAfter = 2 * time.Second
)

// Run shows the view until its reader quits, which is no error, or ctx ends, which is none either.
func Run(ctx context.Context, o Options) error {
	p := &program{
		model:    &model{project: o.Project.Name, every: o.Every, colour: ui.Coloured()},
		observer: o.Observer, restartWith: o.Restart,
	}
	dir, err := history.Dir(o.Project.Name)
	if err != nil {
		return err
	}
	if p.history, err = history.ReadOnly(dir); err != nil {
		return err
	}
	p.readWith = func(ctx context.Context, id string, line func(string)) error {
		return logstream.Follow(ctx, o.Engine, id, firstLines, line)
	}
	var keyboard *os.File
	if term.IsTerminal(os.Stdin.Fd()) {
		keyboard = os.Stdin
	}
	defer silence()()
	return p.run(ctx, keyboard, o.Out.Screen().(*os.File)) //nolint:forcetypeassert // Suits says that it is one
}

// run shows the view on a terminal; in is nil where there are no keys.
func (p *program) run(ctx context.Context, in, out *os.File) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer onSignals(cancel)()
	p.ctx, p.keys = ctx, in != nil
	// The view is drawn in the sixteen colours alone, and the model leaves them out where there are to be none.
	options := []tea.ProgramOption{
		tea.WithContext(ctx), tea.WithOutput(&screenFile{out, cancel}), tea.WithInput(nil),
		tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond), tea.WithColorProfile(colorprofile.ANSI),
	}
	if in != nil {
		options = append(options, tea.WithInput(in))
	}
	p.tea = tea.NewProgram(p, options...)
	_, err := p.tea.Run()
	cause := context.Cause(ctx)
	cancel(nil)
	p.stop()
	var ended *fault.Error
	switch {
	case errors.As(cause, &ended):
		return ended
	case errors.Is(err, tea.ErrProgramPanic):
		return fault.New(fault.Failed, "ACCESSIBLE=1 go tool mage monitor -watch", "drawing the live view: %w", err)
	case err != nil && cause == nil:
		return fmt.Errorf("drawing the live view: %w", err)
	}
	return p.unfinished
}

// silence keeps warnings of libraries off the screen, until the view has ended.
func silence() (end func()) {
	before := logrus.StandardLogger().Out
	logrus.SetOutput(io.Discard)
	return func() { logrus.SetOutput(before) }
}

// onSignals ends the view on the signals that would end the process and leave the terminal as the view needs it.
func onSignals(cancel context.CancelCauseFunc) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	ended := make(chan struct{})
	go func() {
		select {
		case s := <-signals:
			cancel(fault.New(fault.Interrupted, "", "ended by a signal (%s)", s))
		case <-ended:
		}
	}()
	return func() {
		signal.Stop(signals)
		close(ended)
	}
}

// screenFile is the terminal; one that can't be written to any more ends the view.
type screenFile struct {
	*os.File
	failed context.CancelCauseFunc
}

// Write implements io.Writer.
func (s *screenFile) Write(p []byte) (int, error) {
	n, err := s.File.Write(p)
	if err != nil {
		s.failed(fault.New(fault.Failed, "", "writing to the terminal: %w", err))
	}
	return n, err
}

// program runs a model: it gives messages to it and does what it wants done.
type program struct {
	*model
	observer Observer
	history  History
	// readWith gives the lines of a container's log, the last ones and then new ones as they come.
	readWith    func(ctx context.Context, id string, line func(string)) error
	restartWith func(ctx context.Context, service string, out io.Writer) error

	tea *tea.Program
	ctx context.Context //nolint:containedctx // of the run that this is

	mutex      sync.Mutex
	log        context.CancelFunc
	restarting context.CancelFunc
	doing      sync.WaitGroup // restarts
	stopped    bool
	unfinished error // how the restart ended that was given up
}

// Init implements tea.Model.
func (p *program) Init() tea.Cmd { return tea.Batch(p.follow, p.observe) }

// Update implements tea.Model.
func (p *program) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var todo []tea.Cmd
	for _, e := range p.update(msg) {
		todo = append(todo, p.command(e))
	}
	return p, tea.Batch(todo...)
}

// View implements tea.Model.
func (p *program) View() tea.View {
	v := tea.NewView(p.frame())
	v.AltScreen, v.DisableBracketedPasteMode = true, true
	return v
}

// follow hands snapshots on.
func (p *program) follow() tea.Msg {
	snapshots, stop := p.observer.Follow()
	defer stop()
	for {
		select {
		case <-p.ctx.Done():
			return nil
		case s := <-snapshots:
			p.tea.Send(lookedMsg{s})
		}
	}
}

// observe keeps the observer at work, also when the engine went away and comes back.
func (p *program) observe() tea.Msg {
	for p.ctx.Err() == nil {
		if err := p.observer.Run(p.ctx); err != nil && p.ctx.Err() == nil {
			p.tea.Send(lostMsg{err, time.Now()})
		}
		_ = wait.For(p.ctx, againAfter)
	}
	return nil
}

// command is what does an effect.
func (p *program) command(e effect) tea.Cmd {
	switch e.do {
	case quit:
		return tea.Quit
	case suspend:
		return tea.Suspend
	case askPast:
		return p.ask(e.key, e.service)
	case readLog:
		return p.read(e.id)
	case leaveLog:
		p.read("")
	case restart:
		return p.restartService(e.service)
	case endRestart:
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.restarting()
	}
	return nil
}

// metrics are the names of the figures in a history.
var metrics = [figureCount]string{history.CPUPercent, history.MemoryWorkingSet, history.ResponseMS}

func (p *program) ask(key, service string) tea.Cmd {
	return func() tea.Msg {
		now := time.Now()
		for f, metric := range metrics {
			points, err := p.history.Query(service, metric, now.Add(-span), now, bucket)
			if err == nil { // else the charts begin when the view was opened
				p.tea.Send(pastMsg{key, figure(f), points})
			}
		}
		return nil
	}
}

// read follows the log of a container instead of any other; none where id is empty.
func (p *program) read(id string) tea.Cmd {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.log != nil {
		p.log()
		p.log = nil
	}
	if id == "" {
		return nil
	}
	ctx, cancel := context.WithCancel(p.ctx)
	p.log = cancel
	return func() tea.Msg {
		defer cancel()
		kept := &lines{most: keptLines}
		handOn := p.handing(ctx, kept, func(lines []string) tea.Msg { return loggedMsg{id: id, lines: lines} })
		err := p.readWith(ctx, id, kept.add)
		handOn()
		ended := "the log has ended"
		if err != nil {
			ended = err.Error()
		}
		if ctx.Err() != nil {
			return nil
		}
		kept.changed = true
		last, _ := kept.take()
		return loggedMsg{id: id, lines: last, ended: ended}
	}
}

// handing sends what is kept to the model, as a message, whenever there is something new; stop ends that.
func (p *program) handing(ctx context.Context, kept *lines, as func([]string) tea.Msg) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() {
		for wait.For(ctx, linesEvery) == nil {
			if lines, changed := kept.take(); changed {
				p.tea.Send(as(lines))
			}
		}
	})
	return func() {
		cancel()
		ended.Wait()
	}
}

func (p *program) restartService(service string) tea.Cmd {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.ctx)) // stop ends it too, and waits for it
	p.restarting = cancel
	return func() tea.Msg {
		defer cancel()
		if !p.begin() {
			return nil
		}
		defer p.doing.Done()
		kept := &lines{most: keptSaid}
		handOn := p.handing(ctx, kept, func(lines []string) tea.Msg { return saidMsg{lines} })
		err := p.restartWith(ctx, service, kept)
		handOn()
		if said, changed := kept.take(); changed {
			p.tea.Send(saidMsg{said})
		}
		if ctx.Err() != nil {
			p.mutex.Lock()
			defer p.mutex.Unlock()
			p.unfinished = err
		}
		return restartedMsg{err}
	}
}

// begin counts a restart in; false where the view has ended.
func (p *program) begin() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.stopped {
		return false
	}
	p.doing.Add(1)
	return true
}

// stop ends what still runs when the view has ended.
func (p *program) stop() {
	p.mutex.Lock()
	p.stopped = true
	if p.restarting != nil {
		p.restarting()
	}
	p.mutex.Unlock()
	p.doing.Wait()
}
