package image

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/opencontainers/go-digest"
)

// lastOutput is how many lines of a failed step its error shows.
const lastOutput = 20

// display shows the progress of several solves as one: BuildKit's own display, redrawn on a terminal, plain lines
// elsewhere, every step named after its image.
type display struct {
	ch    chan *client.SolveStatus
	done  chan struct{}
	brief bool // only what ran is shown: the lines of an unchanged build would hide the one step that was not
}

// newDisplay starts showing on w. mode is auto (the terminal's display, brief plain lines elsewhere), plain, tty, quiet
// or rawjson.
func newDisplay(w io.Writer, mode string, terminal bool) (*display, error) {
	brief := mode == "auto" && !terminal
	if brief {
		mode = "plain"
	}
	ui, err := progressui.NewDisplay(w, progressui.DisplayMode(mode), progressui.WithPhase("building"))
	if err != nil {
		return nil, fmt.Errorf("showing progress: %w", err)
	}
	d := &display{ch: make(chan *client.SolveStatus), done: make(chan struct{}), brief: brief}
	go func() {
		defer close(d.done)
		// The display outlives a cancelled build, so that its last lines are shown.
		_, _ = ui.UpdateFrom(context.Background(), d.ch)
	}()
	return d, nil
}

// show passes a status on.
func (d *display) show(s *client.SolveStatus) {
	if d.brief {
		s.Vertexes = slices.DeleteFunc(s.Vertexes, func(v *client.Vertex) bool {
			return v.Error == "" && (v.Cached || strings.Contains(v.Name, " internal] ") || strings.Contains(v.Name, "] importing cache manifest"))
		})
	}
	d.ch <- s
}

// close ends the display after what was sent has been shown.
func (d *display) close() {
	close(d.ch)
	<-d.done
}

// recorder follows one image's solve: it counts steps, remembers the last output of each, and forwards to the display.
type recorder struct {
	name string
	out  *display // nil: nothing is shown

	mu      sync.Mutex
	steps   map[digest.Digest]*step
	warning string // of the cache export, which never fails a build
}

type step struct {
	name   string
	cached bool
	error  string
	from   time.Time
	took   time.Duration
	lines  []string
}

func newRecorder(name string, out *display) *recorder {
	return &recorder{name: name, out: out, steps: map[digest.Digest]*step{}}
}

// update takes one status from BuildKit.
func (r *recorder) update(s *client.SolveStatus) {
	r.mu.Lock()
	for _, v := range s.Vertexes {
		r.vertex(v)
	}
	for _, l := range s.Logs {
		if st := r.steps[l.Vertex]; st != nil {
			for line := range strings.SplitSeq(strings.TrimRight(string(l.Data), "\r\n"), "\n") {
				st.lines = append(st.lines, strings.TrimRight(line, "\r"))
			}
			st.lines = st.lines[max(0, len(st.lines)-lastOutput):]
		}
	}
	r.mu.Unlock()
	if r.out != nil {
		r.out.show(s)
	}
}

func (r *recorder) vertex(v *client.Vertex) {
	if strings.HasPrefix(v.Name, "[") {
		v.Name = "[" + r.name + " " + v.Name[1:]
	} else {
		v.Name = "[" + r.name + "] " + v.Name
	}
	st := r.steps[v.Digest]
	if st == nil {
		st = &step{}
		r.steps[v.Digest] = st
	}
	st.name, st.cached = v.Name, st.cached || v.Cached
	switch {
	case v.Error == "":
	case strings.Contains(v.Name, "importing cache manifest"):
		// A first build has no cache to import: that is no failure, and a registry that is away shows at the export.
		v.Error = ""
	case strings.Contains(v.Name, "exporting cache"):
		r.warning = v.Error
	default:
		st.error = v.Error
	}
	if v.Started != nil && v.Completed != nil {
		st.from, st.took = *v.Started, v.Completed.Sub(*v.Started)
	}
}

// counts gives how many Dockerfile steps there were and how many came from the cache; BuildKit's internal steps and
// exports do not count.
func (r *recorder) counts() (steps, cached int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, st := range r.steps {
		if !strings.HasPrefix(st.name, "["+r.name+" ") || strings.HasPrefix(st.name, "["+r.name+" internal]") || strings.Contains(st.name, "] FROM ") {
			continue
		}
		steps++
		if st.cached {
			cached++
		}
	}
	return steps, cached
}

// failed gives the step that broke the build and its last output; "" where none is known.
func (r *recorder) failed() (name string, lines []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var broken []*step
	for _, st := range r.steps {
		if st.error != "" && !strings.Contains(st.error, "context canceled") {
			broken = append(broken, st)
		}
	}
	if len(broken) == 0 {
		return "", nil
	}
	slices.SortFunc(broken, func(a, b *step) int { return len(b.lines) - len(a.lines) })
	return broken[0].name, broken[0].lines
}
