package trace

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/state"
)

// mostKept is how many spans of a project's last build or start are kept; those that lasted longest are.
const mostKept = 2000

// Keep keeps a project's last timeline of its kind for the pages to come. One of a start that found nothing to do is
// not kept.
func Keep(t Timeline) error {
	if t.idle() {
		return nil
	}
	path, err := keptPath(t.Project, t.What)
	if err != nil {
		return err
	}
	data, err := json.Marshal(t.kept(mostKept))
	if err != nil {
		return fmt.Errorf("keeping when the %s did what: %w", t.What, err)
	}
	return state.Keep(path, data)
}

// Kept gives what Keep kept, in JSON. The error wraps fs.ErrNotExist where that is nothing.
func Kept(project, what string) ([]byte, error) {
	path, err := keptPath(project, what)
	if err != nil {
		return nil, err
	}
	return state.ReadFile(path)
}

// idle says whether nothing was built, made, stopped or started.
func (t Timeline) idle() bool {
	return !slices.ContainsFunc(t.Spans, func(s Span) bool {
		switch s.Kind {
		case Phase, Path, Waiting, Probe, Kind(operation.Start), Kind(operation.Wait):
			return false
		}
		return true // a start that starts something has a queue
	})
}

func keptPath(project, what string) (string, error) {
	dir, err := state.ProjectDir(project)
	return filepath.Join(dir, "timeline-"+what+".json"), err
}

// kept is the timeline with so many spans at most, and with texts that are fit to be shown.
func (t Timeline) kept(most int) Timeline {
	spans := slices.Clone(t.Spans)
	if over := len(spans) - most; over > 0 {
		slices.SortStableFunc(spans, func(a, b Span) int {
			return cmp.Compare(b.Ended.Sub(b.Began), a.Ended.Sub(a.Began))
		})
		spans, t.LeftOut = spans[:most], t.LeftOut+over
		slices.SortStableFunc(spans, func(a, b Span) int { return a.Began.Compare(b.Began) })
	}
	for i, s := range spans {
		s.Lane, s.Name, s.After = text(s.Lane), text(s.Name), nil
		s.Facts = slices.Clone(s.Facts)
		for j, f := range s.Facts {
			if v, ok := f.Value.(string); ok {
				s.Facts[j].Value = text(v)
			}
		}
		spans[i] = s
	}
	t.Spans, t.Critical = spans, wholeText(t.Critical)
	return t
}
