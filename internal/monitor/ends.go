package monitor

import (
	"context"
	"fmt"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/evidence"
)

// explain finds out how the containers ended last of which that is not known yet.
func (s subject) explain(ctx context.Context, rows []*row) {
	var open []*container.Replica
	for _, r := range rows {
		if r.unexplained() {
			open, r.explained = append(open, r.seen), r.Finished
		}
	}
	evidence.Explain(ctx, s.api, evidence.At(s.api), open)
}

// unexplained says that the container has ended, and that nobody has looked yet for what tells how.
func (r *row) unexplained() bool {
	return r.seen != nil && !r.Finished.IsZero() && !r.Finished.Equal(r.explained)
}

// explainLater has the ends explained once all that there is to tell of them is there.
func (w *watcher) explainLater() {
	for _, r := range w.rows {
		if r.unexplained() && !w.pending {
			w.pending = true
			w.ends.Reset(evidence.Fresh + settle)
		}
	}
}

// explainEnds explains those ends of which all is there. What the engine's events tell is kept: it forgets them soon.
func (w *watcher) explainEnds(ctx context.Context) {
	w.pending = false
	var old []*row
	for _, r := range w.rows {
		if r.unexplained() && w.now().Sub(r.Finished) >= evidence.Fresh {
			old = append(old, r)
		}
	}
	w.explain(ctx, old)
	w.explainLater()
}

// lastEnd says how a container ended before it was started again, as an addition.
func lastEnd(end *container.End) string {
	if end == nil || end.Code == container.NoCode {
		return ""
	}
	return fmt.Sprintf("; its last end: %s", end)
}
