package deploy

import (
	"fmt"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// progress shows a deploy: a line a service on a terminal, lines as services are ready elsewhere.
type progress struct {
	out   *ui.Out
	began time.Time

	mu   sync.Mutex
	rows map[string]string
	keys []string // services in the plan's order
	stop func()
}

func newProgress(out *ui.Out, plan *Plan) *progress {
	p := &progress{out: out, began: time.Now(), rows: map[string]string{}}
	for _, s := range plan.Steps {
		if s.Action != Keep {
			p.keys = append(p.keys, s.Service)
		}
	}
	p.stop = out.Live(p.lines, p.brief)
	return p
}

func (p *progress) end() { p.stop() }

// set says what a service is at.
func (p *progress) set(service, doing string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows[service] = doing
}

// ready says that a service is as it should be.
func (p *progress) ready(service, how string, since time.Time) {
	p.mu.Lock()
	delete(p.rows, service)
	p.mu.Unlock()
	p.out.Done("%s %s in %s", service, how, ui.Seconds(time.Since(since)))
}

func (p *progress) lines(height int) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, key := range p.keys {
		if doing := p.rows[key]; doing != "" && len(out) < height-2 {
			out = append(out, fmt.Sprintf("   %s: %s", key, doing))
		}
	}
	return append(out, ui.Grey("   "+ui.Seconds(time.Since(p.began))))
}

// brief is one line, for where nothing can be redrawn.
func (p *progress) brief() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range p.keys {
		if doing := p.rows[key]; doing != "" {
			return key + ": " + doing
		}
	}
	return ""
}
