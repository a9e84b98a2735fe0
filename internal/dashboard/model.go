package dashboard

import (
	"errors"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/monitor"
)

// The messages that change the view, beside keys and sizes.
type (
	// lookedMsg is a new snapshot.
	lookedMsg struct{ snapshot monitor.Snapshot }
	// lostMsg says that the engine did not answer.
	lostMsg struct {
		err error
		at  time.Time
	}
	// pastMsg is what a history knows of a container's last hour.
	pastMsg struct {
		key    string
		figure figure
		points []history.Point
	}
	// loggedMsg are the newest lines of a container's log, oldest first, each printable.
	loggedMsg struct {
		id    string
		lines []string
		ended string // why no more come; "" while more may
	}
	// saidMsg is what a restart has printed so far, each line printable.
	saidMsg struct{ lines []string }
	// restartedMsg is the end of a restart.
	restartedMsg struct{ err error }
)

// effect is something to be done outside of the model.
type effect struct {
	do      doing
	service string // of askPast and restart
	key     string // of askPast: the container's
	id      string // of readLog: the container's
}

type doing int

const (
	quit       doing = iota + 1
	suspend          // until the shell continues us
	askPast          // read the service's last hour from the history
	readLog          // follow the log of one container, instead of any other
	leaveLog         // follow none
	restart          // restart a service
	endRestart       // give the running one up
)

// screen is what the view shows.
type screen int

const (
	table screen = iota
	detail
	findings
	help
)

// model is all that the view is drawn from. update changes it, by a message alone.
type model struct {
	project string
	every   time.Duration
	colour  bool
	keys    bool // there is a keyboard

	width, height int

	looked   bool // there is a snapshot
	snapshot monitor.Snapshot
	lost     *lostMsg // the engine does not answer; nil where it does
	past     map[string]*past

	screen  screen
	offset  int // of a screen that is scrolled, in lines
	sort    int // index of sorts
	reverse bool
	filter  string
	typing  bool   // the filter is being typed
	chosen  string // key of the container that is selected

	log     logPane
	restart restartPane
}

// logPane is the log that is shown beside a service's detail.
type logPane struct {
	id    string // of the container; "" where no log is shown
	lines []string
	ended string
	up    int // lines that are scrolled back; 0 follows
}

// restartPane is the restart that is asked for, runs or has ended.
type restartPane struct {
	asked   string // service of the question
	service string // that is restarted, or was
	running bool
	ending  bool // it is given up, and then the view ends
	lines   []string
	err     error
}

// past are the figures of one container over the last hour.
type past struct {
	asked   bool // of the history
	figures [figureCount]series
}

// figure is one that is drawn as a chart.
type figure int

// The figures.
const (
	cpuFigure figure = iota
	memoryFigure
	answerFigure
	figureCount
)

// key tells one row from the others, from one snapshot to the next.
func key(r monitor.Replica) string {
	if r.Container != "" {
		return r.Service + " " + r.Container
	}
	return r.Service + " " + r.State
}

// update changes the model by a message, and gives what is to be done.
func (m *model) update(msg tea.Msg) []effect {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m.press(msg)
	case lookedMsg:
		return m.look(msg.snapshot)
	case lostMsg:
		if m.lost != nil {
			msg.at = m.lost.at // it has been away since then
		}
		m.lost = &msg
	case pastMsg:
		m.pastOf(msg.key).figures[msg.figure].fill(msg.points)
	case loggedMsg:
		m.logged(msg)
	case saidMsg:
		m.restart.lines = msg.lines
	case restartedMsg:
		m.restart.running, m.restart.err = false, msg.err
		if m.restart.ending {
			return []effect{{do: quit}}
		}
	}
	return nil
}

// engineLost is the finding of an observer whose engine can't be reached.
const engineLost = "engine.lost"

// look takes a snapshot down. One without an engine says no more of the containers than the last one that had it.
func (m *model) look(s monitor.Snapshot) []effect {
	lost := slices.IndexFunc(s.Findings, func(f finding.Finding) bool { return f.ID == engineLost })
	if lost >= 0 && m.looked {
		return m.update(lostMsg{errors.New(s.Findings[lost].Evidence), s.Time})
	}
	m.snapshot, m.looked, m.lost = s, true, nil
	there := make(map[string]bool, len(s.Services))
	for _, r := range s.Services {
		there[key(r)] = true
		if r.Running() {
			p := m.pastOf(key(r))
			if r.Rates.Seconds > 0 {
				p.figures[cpuFigure].add(s.Time, r.CPUPercent)
			}
			p.figures[memoryFigure].add(s.Time, float64(r.MemoryUsed))
			if r.Answer.Error == "" && !r.Answer.At.IsZero() {
				p.figures[answerFigure].add(s.Time, r.Answer.MS)
			}
		}
	}
	for k := range m.past {
		if !there[k] {
			delete(m.past, k)
		}
	}
	m.keepChosen()
	if m.screen == detail {
		return m.enter()
	}
	return nil
}

func (m *model) pastOf(key string) *past {
	if m.past == nil {
		m.past = map[string]*past{}
	}
	if m.past[key] == nil {
		m.past[key] = &past{}
	}
	return m.past[key]
}

// keepChosen sees to it that a row is selected where there is one.
func (m *model) keepChosen() {
	rows := m.rows()
	for _, r := range rows {
		if key(r) == m.chosen {
			return
		}
	}
	service, _, _ := strings.Cut(m.chosen, " ")
	for _, r := range rows { // a new container of the same service
		if r.Service == service {
			m.chosen = key(r)
			return
		}
	}
	if m.screen == table && len(rows) > 0 {
		m.chosen = key(rows[0])
	}
}

// replica is the one that is selected.
func (m *model) replica() (monitor.Replica, bool) {
	for _, r := range m.snapshot.Services {
		if key(r) == m.chosen {
			return r, true
		}
	}
	return monitor.Replica{}, false
}

// enter gives what is to be done for the detail of the selected container.
func (m *model) enter() []effect {
	var todo []effect
	r, ok := m.replica()
	if !ok {
		return nil
	}
	if p := m.pastOf(key(r)); !p.asked {
		p.asked = true
		todo = append(todo, effect{do: askPast, key: key(r), service: r.Service})
	}
	if m.log.id != "" && r.ID != "" && m.log.id != r.ID { // its successor, or another one
		m.log = logPane{id: r.ID}
		todo = append(todo, effect{do: readLog, id: r.ID})
	}
	return todo
}

func (m *model) logged(msg loggedMsg) {
	if msg.id != m.log.id {
		return
	}
	if m.log.up > 0 { // what is read stays where it is
		m.log.up += len(msg.lines) - len(m.log.lines)
	}
	m.log.lines, m.log.ended = msg.lines, msg.ended
}
