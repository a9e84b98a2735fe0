package solve

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/builddisplay"
	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/registry"
)

// lastOutput is how many lines of a failed step its error shows.
const lastOutput = 20

// longestLine is how much of each of these lines is kept, in bytes.
const longestLine = 4 << 10

// How long a registry may be silent, beside registry.AnswerWithin.
const (
	baseWithin  = 45 * time.Second // to name a base image's digest
	layerWithin = 3 * time.Minute  // between two pieces of a layer, or two layers of the cache's export; …
	pieceWithin = 20 * time.Second // … of a small one
	stepWithin  = 30 * time.Second // between two pieces of a result that a build cache has
)

// slowest is a registry that takes this many bytes of a layer in a second.
const slowest = 128 << 10

// ErrLayerSilent ends a solve that waits for a layer of a build cache while nothing more of that layer comes.
var ErrLayerSilent = errors.New("the build cache's registry has sent nothing more of a layer")

// Recorder follows one image's solve: it counts steps, remembers the last output of each, and forwards to the display.
type Recorder struct {
	name        string
	out         *builddisplay.Source    // nil: nothing is shown
	stop        context.CancelCauseFunc // ends the solve
	OnFirstStep func()                  // called when the first step of the Dockerfile begins to run; nil for none
	// OnExport is called when an image of which a step ran begins to be exported; nil for none.
	OnExport func()
	// Track is what of the image's build the solve is, where it runs beside the rest of it.
	Track string

	mu      sync.Mutex
	ran     bool // a step of the Dockerfile
	byID    map[digest.Digest]*step
	warning string // of the cache export, which never fails a build
	// size gives the size of a blob that the builder has, in bytes; nil where sizes are not known.
	size              func(digest.Digest) (int64, error)
	writing           map[string]int64 // what of the cache is being written, with its size
	progressAt        map[string]int64 // by step and what it is about: how far it was
	lastLayerProgress time.Time        // when something of a layer last came

	args       []argument    // whose values are shown nowhere
	late       time.Duration // the least that a status came after what it told of, by the two clocks
	clockKnown bool
}

type step struct {
	name    string
	cached  bool
	error   string
	started bool
	ended   bool
	// fetching says that a layer of the step is awaited from a registry.
	fetching     bool
	lastProgress time.Time // when the builder last said something new of the step
	took         time.Duration
	times        timed
	lines        []string
}

// NewRecorder follows a solve of an image of that name; show may be nil.
func NewRecorder(name string, show *builddisplay.Display) *Recorder {
	return &Recorder{
		name: name, out: show.Source(), byID: map[digest.Digest]*step{}, writing: map[string]int64{},
		progressAt: map[string]int64{}, stop: func(error) {},
	}
}

// update takes one status from BuildKit.
func (r *Recorder) update(s *client.SolveStatus) {
	r.mu.Lock()
	r.noteClock(s, time.Now())
	for _, v := range s.Vertexes {
		r.noteVertex(v)
	}
	for _, x := range s.Statuses {
		if st := r.byID[x.Vertex]; st != nil {
			st.times.notePart(x)
			r.noteProgress(st, x)
			r.noteWrite(x)
		}
	}
	for _, l := range s.Logs {
		if st := r.byID[l.Vertex]; st != nil {
			for line := range strings.SplitSeq(strings.TrimRight(builddisplay.Lines(string(l.Data)), "\n"), "\n") {
				st.lines = append(st.lines, strings.Clone(line[:min(len(line), longestLine)]))
			}
			st.lines = slices.Clone(st.lines[max(0, len(st.lines)-lastOutput):])
		}
	}
	r.mu.Unlock()
	r.out.Show(s)
}

func (r *Recorder) noteVertex(v *client.Vertex) {
	if strings.HasPrefix(v.Name, "[") {
		v.Name = "[" + r.name + " " + v.Name[1:]
	} else {
		v.Name = "[" + r.name + "] " + v.Name
	}
	st := r.byID[v.Digest]
	if st == nil {
		st = &step{}
		r.byID[v.Digest] = st
	}
	st.name, st.cached, st.lastProgress = v.Name, st.cached || v.Cached, time.Now()
	st.started, st.ended = v.Started != nil, v.Completed != nil
	st.times.noteVertex(v)
	switch {
	case v.Error == "":
	case strings.Contains(v.Name, builddisplay.Importing):
		// A first build has no cache to import, which is no failure; a registry that is away shows at the export.
		v.Error = ""
	case strings.Contains(v.Name, "exporting cache"):
		r.warning = v.Error
	default:
		st.error = v.Error
	}
	if v.Started != nil && v.Completed != nil {
		st.took = v.Completed.Sub(*v.Started)
	}
	if r.OnFirstStep != nil && st.started && !st.ended && !st.cached && r.ofDockerfile(st.name) {
		r.OnFirstStep()
		r.OnFirstStep = nil
	}
	r.ran = r.ran || st.started && !st.cached && r.ofDockerfile(st.name)
	if r.OnExport != nil && r.ran && st.started && strings.HasSuffix(st.name, "] exporting to image") {
		r.OnExport()
		r.OnExport = nil
	}
}

// numbered is the end of the head of a Dockerfile's step: "[stage-1 2/3] COPY . .".
var numbered = regexp.MustCompile(`^\[[^\]]* \d+/\d+\] `)

// ofDockerfile says whether BuildKit's name is that of a step of the Dockerfile that can run: its own internal steps,
// the transfers of named contexts, exports and FROM are none.
func (r *Recorder) ofDockerfile(name string) bool {
	return strings.HasPrefix(name, "["+r.name+" ") && numbered.MatchString(name) && !strings.Contains(name, "] FROM ")
}

// Ran says whether a step of the Dockerfile ran.
func (r *Recorder) Ran() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ran
}

// Bases identifies the images that the Dockerfile starts from and copies from, by the digests that their names stood
// for.
func (r *Recorder) Bases() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for id, st := range r.byID { // BuildKit's digest of a FROM is one of its image's name and digest
		if strings.HasPrefix(st.name, "["+r.name+" ") && strings.Contains(st.name, "] FROM ") {
			all = append(all, id.String())
		}
	}
	slices.Sort(all)
	return digest.FromString(strings.Join(all, "\n")).Encoded()
}

// BaseNames gives the full names of the images that the Dockerfile starts from and copies from.
func (r *Recorder) BaseNames() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, st := range r.byID {
		if head, ref, ok := strings.Cut(st.name, "] FROM "); ok && strings.HasPrefix(head, "["+r.name+" ") {
			ref, _, _ = strings.Cut(ref, "@")
			out = append(out, ref)
		}
	}
	return out
}

// Steps is what became of the steps of a Dockerfile.
type Steps struct {
	Total  int // of the Dockerfile
	Cached int // how many of them the build cache had
	Built  int // how many of them ran; of a failed image some did neither
	// Ran are the steps that BuildKit told of, the FROM steps included.
	Ran []buildinputs.Step
}

// Steps tells what became of the Dockerfile's steps.
func (r *Recorder) Steps() Steps {
	r.mu.Lock()
	defer r.mu.Unlock()
	var res Steps
	for _, st := range r.byID {
		own, found := strings.CutPrefix(st.name, "["+r.name+" ")
		if !found || strings.HasPrefix(own, "internal]") {
			continue
		}
		if st.started || st.cached {
			res.Ran = append(res.Ran,
				buildinputs.Step{
					Name: "[" + own, Cached: st.cached, Failed: st.error != "",
					Seconds: st.took.Seconds(),
				})
		}
		if !r.ofDockerfile(st.name) {
			continue
		}
		res.Total++
		switch {
		case st.cached:
			res.Cached++
		case st.started:
			res.Built++
		}
	}
	return res
}

// watch ends the solve where a registry has been silent for too long, until ctx ends.
func (r *Recorder) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.stopIfSilent()
		}
	}
}

func (r *Recorder) stopIfSilent() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, st := range r.byID {
		if !st.started || st.ended {
			continue
		}
		silent := time.Since(st.lastProgress)
		switch {
		case strings.Contains(st.name, builddisplay.Importing) && silent > registry.AnswerWithin:
			r.stop(fault.New(fault.Registry, "CACHE_REGISTRY=none for a build without it",
				"%s: the registry has not answered for %s, and until it does this builder begins no step of any build",
				st.name, silent.Round(time.Second)))
		case strings.Contains(st.name, "] load metadata for ") && silent > baseWithin,
			strings.Contains(st.name, "] FROM ") && silent > layerWithin:
			r.stop(fault.New(fault.Registry,
				"try again once the registry answers; go tool mage setup makes base images where Docker Hub can't be "+
					"reached",
				"%s: the registry has not answered for %s", st.name, silent.Round(time.Second)))
		case st.cached && st.fetching && !strings.Contains(st.name, "] FROM ") &&
			time.Since(r.lastLayerProgress) > stepWithin:
			r.stop(fault.New(fault.Registry, "CACHE_REGISTRY=none for a build without it", "%s: %w for %s", st.name,
				ErrLayerSilent, stepWithin))
		case strings.Contains(st.name, "exporting cache") && silent > r.exportSilenceLimit():
			r.stop(registry.ErrSilent)
		}
	}
}

// noteProgress notes when a step last got further: the builder says ten times a second how far a layer is, also where
// nothing more of the layer comes.
func (r *Recorder) noteProgress(st *step, x *client.VertexStatus) {
	key, far := x.Vertex.String()+" "+x.ID, x.Current
	if x.Completed != nil {
		far = -1
	}
	before, known := r.progressAt[key]
	moved := !known || before != far
	if moved {
		r.progressAt[key], st.lastProgress = far, time.Now()
	}
	switch {
	case strings.HasPrefix(x.ID, "sha256:"):
		st.fetching = x.Completed == nil
		if moved {
			r.lastLayerProgress = time.Now()
		}
	case moved: // such as the unpacking of a layer, which is the builder's
		st.fetching = false
	}
}

// noteWrite follows what of the cache is written: the builder says when each blob begins and ends, and nothing in
// between.
func (r *Recorder) noteWrite(x *client.VertexStatus) {
	if !strings.HasPrefix(x.ID, "writing ") {
		return
	}
	if x.Completed != nil {
		delete(r.writing, x.ID)
		return
	}
	layer, ok := strings.CutPrefix(x.ID, "writing layer ")
	if !ok { // a manifest or a configuration
		r.writing[x.ID] = 0
		return
	}
	r.writing[x.ID] = sizeUnknown
	if r.size == nil {
		return
	}
	id := x.ID // the display changes x
	go func() {
		size, err := r.size(digest.Digest(layer))
		r.mu.Lock()
		defer r.mu.Unlock()
		if _, still := r.writing[id]; still && err == nil {
			r.writing[id] = size
		}
	}()
}

// ExportWarning is why the cache was not written, which never fails a build; "" where it was, or had not to be.
func (r *Recorder) ExportWarning() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.warning
}

// Stop ends the solve with an error.
func (r *Recorder) Stop(err error) { r.stop(err) }

// sizeUnknown is the size, in bytes, of a layer whose size is not known: such a layer has as much time as the largest.
const sizeUnknown = 1 << 40

// exportSilenceLimit is how long the export of a cache may go without progress: what the slowest registry needs for the
// largest of what is being written. While nothing is, the builder packs the layers.
func (r *Recorder) exportSilenceLimit() time.Duration {
	if len(r.writing) == 0 {
		return layerWithin
	}
	var largest int64
	for _, size := range r.writing {
		largest = max(largest, size)
	}
	return min(layerWithin, pieceWithin+time.Duration(largest/slowest)*time.Second)
}

// reset forgets a solve that is made again.
func (r *Recorder) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.byID)
	clear(r.progressAt)
	r.ran = false
}

// failedStep gives the step that broke the build and its last output; "" where none is known. Of several failed steps
// it is the one that the error is of.
func (r *Recorder) failedStep(err error) (name string, lines []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var vertex *errdefs.VertexError
	if errors.As(err, &vertex) {
		if st := r.byID[digest.Digest(vertex.Digest)]; st != nil {
			return st.name, st.lines
		}
	}
	var broken []*step
	for _, st := range r.byID {
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
