// Package alert owns telling others of what is wrong with a project: a finding that lasts is told once when it fires
// and once when it is resolved, to a webhook or a command, again and again until it was taken, also by the process
// that comes after this one. What is wrong the snapshots say.
package alert

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/wait"
)

const (
	idUndelivered = "alert.undelivered"
	fileName      = "alerts.json" // in the project's directory of the state
	mostQueued    = 500           // events of a receiver; above, the oldest are given up
	mostAge       = 24 * time.Hour
	leastPause    = time.Second // between two attempts; the first of them
	mostPause     = 30 * time.Second
	mostRefusals  = 3 // of one event, by a receiver that says that it will not take it
)

// Snapshots is where the findings are from; *monitor.Observer has it.
type Snapshots interface {
	Follow() (snapshots <-chan monitor.Snapshot, stop func())
}

// Alerts tells the receivers of one project.
type Alerts struct {
	project, path string
	receivers     []Receiver
	least         time.Duration // between two attempts

	mutex sync.Mutex
	book  book
	wake  []chan struct{} // one for each receiver
}

// book is what is kept from one process to the next.
type book struct {
	Counted  counted             `json:"counted"`
	Accounts map[string]*account `json:"receivers"` // by their names
}

// account is what one receiver is to be told.
type account struct {
	Machine  machine   `json:"machine"`
	Queue    []Event   `json:"queue"`             // the oldest first
	Dropped  int       `json:"dropped,omitempty"` // given up, and not told of yet
	Failed   int       `json:"-"`                 // attempts without success since the last one
	Since    time.Time `json:"-"`                 // of the first of them
	Reason   string    `json:"-"`                 // of the last of them
	Refusals int       `json:"-"`                 // of the first in the queue
}

// Open reads what is left of the process before. What can't be read is set aside by what is written next.
func Open(project string, receivers []Receiver) (*Alerts, error) {
	dir, err := state.ProjectDir(project)
	if err != nil {
		return nil, err
	}
	a := &Alerts{project: project, path: filepath.Join(dir, fileName), receivers: receivers, least: leastPause}
	var damaged *state.Damaged
	if err := state.ReadJSON(a.path, &a.book); err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &damaged) {
			return nil, err
		}
		a.book = book{}
	}
	accounts := map[string]*account{}
	for _, r := range receivers {
		accounts[r.Name] = a.book.Accounts[r.Name]
		if accounts[r.Name] == nil {
			accounts[r.Name] = new(account)
		}
		a.wake = append(a.wake, make(chan struct{}, 1))
	}
	a.book.Accounts = accounts
	return a, nil
}

// Run tells the receivers until ctx ends, which is no error. What was not taken by then the next run tells.
func (a *Alerts) Run(ctx context.Context, from Snapshots) {
	snapshots, stop := from.Follow()
	defer stop()
	var senders sync.WaitGroup
	for i := range a.receivers {
		senders.Go(func() { a.deliver(ctx, i) })
	}
	defer senders.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-snapshots:
			a.look(s)
		}
	}
}

// look has each receiver's machine look at a snapshot, and keeps what follows from that before anybody is told.
func (a *Alerts) look(s monitor.Snapshot) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	changed := a.book.Counted.add(s)
	seen := a.book.Counted.sightings(s)
	for i, r := range a.receivers {
		acc := a.book.Accounts[r.Name]
		for _, e := range acc.Machine.step(s.Time, seen, r.Rule) {
			e.Project, e.Host, changed = a.project, host(), true
			acc.Queue = append(acc.Queue, e)
		}
		acc.giveUp(s.Time)
		if len(acc.Queue) > 0 {
			select {
			case a.wake[i] <- struct{}{}:
			default:
			}
		}
	}
	if changed {
		a.keep()
	}
}

// giveUp drops the oldest events of a queue that is too long, and those that nobody wants to hear any more.
func (acc *account) giveUp(now time.Time) {
	for len(acc.Queue) > mostQueued || len(acc.Queue) > 0 && now.Sub(acc.Queue[0].At) > mostAge {
		acc.drop()
	}
}

func (acc *account) drop() {
	acc.Queue, acc.Refusals = acc.Queue[1:], 0
	acc.Dropped++
}

// keep writes the book. Where that fails the receivers are told all the same, by this process.
func (a *Alerts) keep() {
	if data, err := json.Marshal(a.book); err == nil {
		_ = state.Keep(a.path, data)
	}
}

// deliver tells one receiver what is in its queue, in its order.
func (a *Alerts) deliver(ctx context.Context, i int) {
	for {
		e, ok := a.next(i)
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-a.wake[i]:
			}
			continue
		}
		err := a.receivers[i].send(ctx, e)
		if ctx.Err() != nil && err != nil {
			return
		}
		if pause := a.done(i, e, err); pause > 0 && wait.For(ctx, pause) != nil {
			return
		}
	}
}

// next gives the first event of a queue, and with it how many before it were given up.
func (a *Alerts) next(i int) (Event, bool) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	acc := a.book.Accounts[a.receivers[i].Name]
	if len(acc.Queue) == 0 {
		return Event{}, false
	}
	e := acc.Queue[0]
	e.Dropped = acc.Dropped
	return e, true
}

// done takes down how an attempt ended, and gives how long to wait before the next one.
func (a *Alerts) done(i int, e Event, err error) time.Duration {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	acc := a.book.Accounts[a.receivers[i].Name]
	defer a.keep()
	first := len(acc.Queue) > 0 && acc.Queue[0].ID == e.ID // it may have been given up meanwhile
	if err == nil {
		if first {
			acc.Queue = acc.Queue[1:]
		}
		acc.Dropped -= e.Dropped
		acc.Failed, acc.Refusals, acc.Since, acc.Reason = 0, 0, time.Time{}, ""
		return 0
	}
	if acc.Failed++; acc.Failed == 1 {
		acc.Since = time.Now()
	}
	acc.Reason = err.Error()
	var no refused
	if errors.As(err, &no) && first {
		if acc.Refusals++; acc.Refusals >= mostRefusals {
			acc.drop()
		}
	}
	var when later
	if errors.As(err, &when) {
		return when.after
	}
	return pauseAfter(acc.Failed, a.least)
}

// pauseAfter doubles with each attempt that failed, give or take a third so that not all come at the same time.
func pauseAfter(failed int, least time.Duration) time.Duration {
	pause := min(least<<min(failed-1, 10), mostPause)
	return pause*2/3 + rand.N(pause*2/3+1)
}

// Findings says which receivers can't be told.
func (a *Alerts) Findings() []finding.Finding {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	var out []finding.Finding
	for _, r := range a.receivers {
		if acc := a.book.Accounts[r.Name]; acc.Failed >= 3 {
			out = append(out, finding.Warn(idUndelivered,
				"go tool mage monitor -test-alerts, once its address is right and it runs",
				"the %s was not told %d alerts since %s: %s", r.Name, len(acc.Queue),
				acc.Since.Format(time.TimeOnly), fault.Redact(shown(acc.Reason))))
		}
	}
	return out
}
