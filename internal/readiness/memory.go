package readiness

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/state"
)

// Learned is what earlier starts saw of one service: how long it took to get ready, between the last probe that failed and the
// first that passed. It only saves probes: without it, or with a wrong one, they are tried at a steady pace.
type Learned struct {
	Failed time.Duration `json:"failed"` // since the container's start
	Passed time.Duration `json:"passed"`
	// Silent says that nothing listened on the published ports of a service without a check for as long as was waited.
	Silent bool `json:"silent,omitempty"`

	mu sync.Mutex
}

// Knows says whether there is anything to go by.
func (l *Learned) Knows() bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Passed > 0
}

// Where earlier starts tell when the service is due, the first probe comes then and the next ones soon. What is not known is halved
// from start to start until it is a small part of the whole: a probe that fails costs more than it could win then.
const (
	nearPart = 30
	duePart  = 20
)

// due is when the first probe is worth its cost: in the middle of what is not known, and where that is little, at its end. What
// is known to be too early may be all that is known for sure: the other end may come from probes that had to wait for others.
func (l *Learned) due() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Passed-l.Failed < l.Passed/nearPart {
		return l.Passed
	}
	return min((l.Failed+l.Passed)/2, 2*l.Failed+execPause)
}

// pause is how long to rest after a probe that began so long after the start, failed, and has ended now: halfway to the time at which
// the service was ready earlier, and where that is near, until then.
func (l *Learned) pause(failed, now time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest, soon := l.Passed-now, min(now/duePart, longestPause)
	switch {
	case failed >= l.Passed, rest < -execPause: // slower than ever, or the check hung: its next one is no longer nearly due
		return max(askPause, soon)
	case rest > 2*askPause:
		return min(rest/2, max(2*execPause, soon))
	}
	return max(rest, time.Millisecond)
}

// passed takes a probe that passed, and the last one before it that did not (0 for none), both since the start.
func (l *Learned) passed(failed, passed time.Duration) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Passed == 0 || failed >= l.Passed || passed <= l.Failed { // slower or faster than ever before
		l.Failed, l.Passed = failed, passed
		return
	}
	l.Failed, l.Passed = max(l.Failed, failed), min(l.Passed, passed)
}

// silent says whether an earlier start has waited in vain for something to listen.
func (l *Learned) silent() bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Silent
}

// heard takes whether something listens.
func (l *Learned) heard(listens bool) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Silent = !listens
}

// Memory is what the starts of one project have learned, by service.
type Memory struct {
	Services map[string]*Learned `json:"services"`
	NoShell  []string            `json:"noShell"` // IDs of the images that have no shell

	path string
	mu   sync.Mutex
	kin  map[string]*Learned // what this start has seen, by image
}

// Recall reads the memory in a file; an unreadable one is none. "" is no file.
func Recall(path string) *Memory {
	m := &Memory{}
	if state.ReadJSON(path, m) != nil {
		m = &Memory{}
	}
	if m.Services == nil {
		m.Services = map[string]*Learned{}
	}
	m.path, m.kin = path, map[string]*Learned{}
	return m
}

// Like gives what this start has seen of containers of one image, which mostly take the same time.
func (m *Memory) Like(image string) *Learned {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kin[image] == nil {
		m.kin[image] = &Learned{}
	}
	return m.kin[image]
}

// Of gives the memory of one service.
func (m *Memory) Of(service string) *Learned {
	if m.Services[service] == nil {
		m.Services[service] = &Learned{}
	}
	return m.Services[service]
}

// Keep writes the memory. It is worth no failure.
func (m *Memory) Keep() {
	if m.path == "" {
		return
	}
	data, err := json.Marshal(m)
	if err == nil {
		_ = state.Keep(m.path, data)
	}
}
