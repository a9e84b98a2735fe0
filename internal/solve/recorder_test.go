package solve

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

func TestStepsAreWhatTheDockerfileSays(t *testing.T) {
	r := NewRecorder("app", nil)
	for name, want := range map[string]bool{
		"[app 2/3] RUN true": true, "[app stage-1 2/3] COPY . .": true, "[app linux/arm64 build 10/12] RUN x": true,
		"[app internal] load build context": false, "[app 1/3] FROM debian": false, "[app] exporting to image": false,
		"[app context lib] load from client": false, "[app context lib] load .dockerignore": false,
		"[app context 1/2] RUN a stage of that name": true,
		"[other 2/3] RUN true":                       false,
	} {
		if got := r.ofDockerfile(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestSilenceOfAnExport gives a registry the time that a slow one needs for what is being written.
func TestSilenceOfAnExport(t *testing.T) {
	sizes := map[string]int64{"small": 2048, "large": 10 << 20, "huge": 1 << 40}
	for name, c := range map[string]struct {
		begun, ended []string
		want         time.Duration
	}{
		"packing":       {[]string{"preparing build cache for export"}, nil, layerWithin},
		"a manifest":    {[]string{"writing cache image manifest sha256:1"}, nil, pieceWithin},
		"a small layer": {[]string{"writing layer small"}, nil, pieceWithin},
		"the largest": {
			[]string{"writing layer small", "writing layer large"},
			nil,
			pieceWithin + 80*time.Second,
		},
		"a large one ended": {
			[]string{"writing layer small", "writing layer large"},
			[]string{"writing layer large"},
			pieceWithin,
		},
		"a huge layer":    {[]string{"writing layer huge"}, nil, layerWithin},
		"of unknown size": {[]string{"writing layer gone"}, nil, layerWithin},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := NewRecorder("app", nil)
			r.size = func(d digest.Digest) (int64, error) {
				if size, ok := sizes[d.String()]; ok {
					return size, nil
				}
				return 0, errors.New("no such blob")
			}
			r.update(&client.SolveStatus{Vertexes: []*client.Vertex{{
				Digest: "v",
				Name:   "exporting cache to registry",
			}}})
			for _, id := range c.begun {
				r.update(&client.SolveStatus{Statuses: []*client.VertexStatus{{Vertex: "v", ID: id}}})
			}
			now := time.Now()
			for _, id := range c.ended {
				r.update(&client.SolveStatus{Statuses: []*client.VertexStatus{{Vertex: "v", ID: id, Completed: &now}}})
			}
			synctest.Wait() // for the sizes
			r.mu.Lock()
			defer r.mu.Unlock()
			if got := r.exportSilenceLimit(); got != c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		})
	}
}

// TestLayerThatStopsComing ends a solve that waits for a layer of a cache, and no other: the builder says ten times a
// second how far it is.
func TestLayerThatStopsComing(t *testing.T) {
	started := time.Now()
	for name, c := range map[string]struct {
		step   string
		cached bool
		id     string
		rate   int64         // bytes in a second
		within time.Duration // 0 for never
	}{
		"a cached step": {"[1/2] COPY x /x", true, "sha256:1", 0, stepWithin + 2*time.Second},
		"a slow one":    {"[1/2] COPY x /x", true, "sha256:1", 1, 0},
		"its unpacking": {"[1/2] COPY x /x", true, "extracting sha256:1", 0, 0},
		"one that runs": {"[1/2] RUN x", false, "sha256:1", 0, 0},
		"a base":        {"[1/2] FROM x", false, "sha256:1", 0, layerWithin + 2*time.Second},
		"a slow base":   {"[1/2] FROM x", false, "sha256:1", 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, stopped := NewRecorder("app", nil), error(nil)
			r.stop = func(err error) { stopped = err }
			r.update(&client.SolveStatus{Vertexes: []*client.Vertex{{
				Digest: "v", Name: c.step, Cached: c.cached,
				Started: &started,
			}}})
			begun := time.Now()
			for time.Since(begun) < 10*time.Minute && stopped == nil {
				far := int64(time.Since(begun).Seconds()) * c.rate
				r.update(&client.SolveStatus{Statuses: []*client.VertexStatus{{
					Vertex: "v", ID: c.id, Current: far,
					Total: 1 << 20,
				}}})
				r.stopIfSilent()
				time.Sleep(time.Second)
			}
			if took := time.Since(begun); (stopped != nil) != (c.within > 0) || stopped != nil && took > c.within {
				t.Errorf("%s: after %s: %v", name, took, stopped)
			}
			if c.cached && stopped != nil && !errors.Is(stopped, ErrLayerSilent) {
				t.Errorf("%s: %v", name, stopped)
			}
		})
	}
}
