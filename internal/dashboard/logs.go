package dashboard

import (
	"strings"
	"sync"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

const (
	keptLines = 1000 // of a log
	keptSaid  = 200  // of what a restart prints
)

// lines keeps the last lines that were added, each printable and of a bounded length. Its methods may be called from
// several goroutines.
type lines struct {
	most int

	mutex   sync.Mutex
	kept    []string
	changed bool
	rest    string // written, but not yet ended by a newline
}

func (l *lines) add(text string) {
	text = printable.Output(bounded.Line(text))
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.kept = append(l.kept, text)
	if len(l.kept) >= 2*l.most { // not for each line: moving what is kept is work too
		l.kept = append(make([]string, 0, 2*l.most), l.kept[len(l.kept)-l.most:]...)
	}
	l.changed = true
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	text := l.rest + string(p)
	for {
		first, rest, ended := strings.Cut(text, "\n")
		if !ended {
			l.rest = bounded.Line(first)
			return len(p), nil
		}
		l.add(first)
		text = rest
	}
}

// take gives the lines where there are new ones since it was called before.
func (l *lines) take() (kept []string, changed bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if !l.changed {
		return nil, false
	}
	l.changed = false
	return append([]string(nil), l.kept[max(0, len(l.kept)-l.most):]...), true
}
