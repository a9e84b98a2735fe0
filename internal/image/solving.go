package image

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// How long a registry may be silent. A registry that refuses is quick; one that hangs must not hang the build.
const (
	cacheWithin = 10 * time.Second // to give a cache's manifest
	baseWithin  = 60 * time.Second // to name a base image's digest
	layerWithin = 3 * time.Minute  // between two pieces of a layer, or of the cache's export
)

var (
	errRan         = errors.New("a step is about to run")
	errCacheSilent = errors.New("the registry did not answer")
	errEdited      = errors.New("the sources changed while they were built; the next build writes it")
)

// solving is the solves of one image on one builder.
type solving struct {
	*run
	target   Target
	member   *member
	opt      client.SolveOpt // as solved last, its cache imports included
	same     bool            // nothing changed since this builder built it
	warnings []string
	response map[string]string
}

// verify has the builder make the image, from its cache as far as nothing changed. Where everything should come from
// there, no registry is asked for its cache first; should a step have to run all the same (a pruned builder), the solve
// starts again with the registry's.
func (s *solving) verify(ctx context.Context) (*recorder, error) {
	imports := s.target.imports(s.Cache)
	if s.same && len(imports) > 0 {
		if done, ok := s.quick.begin(); ok {
			rec, err := s.verifyQuickly(ctx)
			done()
			if !errors.Is(err, errRan) {
				return rec, err
			}
			s.quick.running.Wait()
		}
	}
	if len(imports) > 0 && !s.reachable(ctx, s.member) {
		imports = s.target.imports(Cache{})
	}
	s.opt.CacheImports = imports
	rec := newRecorder(s.target.Service, s.show)
	// An image in which a step runs will have to be loaded: what the engine holds is asked while it runs.
	rec.firstRun = func() { go func() { _ = s.layers.asked(ctx) }() }
	return rec, s.find(ctx, rec)
}

// verifyQuickly is verify without the registry's cache. A step that is about to run ends it, and those of the other images,
// with errRan.
func (s *solving) verifyQuickly(ctx context.Context) (*recorder, error) {
	rec := newRecorder(s.target.Service, s.show)
	rec.firstRun = s.quick.lacking
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.quick.over, func() { cancel(errRan) })()
	return rec, s.find(ctx, rec)
}

// find runs the solve and keeps what it answers.
func (s *solving) find(ctx context.Context, rec *recorder) error {
	resp, err := solve(ctx, s.member.Client, s.finding(ctx), rec)
	if err != nil {
		return err
	}
	s.response = resp.ExporterResponse
	if rec.warning != "" {
		s.warnings = append(s.warnings, s.unwritten(rec.warning))
	}
	return nil
}

// finding is the solve that makes the image and names it. The builder's history of builds is left to the solves that
// export: writing it took as long as an unchanged solve.
func (s *solving) finding(ctx context.Context) client.SolveOpt {
	opt := s.opt
	switch {
	case s.member.Native && !s.same:
		opt.Exports = s.intoEngine()
	case s.member.Native: // what is probably there need not be named and unpacked again
		opt.Exports = []client.ExportEntry{{Type: client.ExporterImage}}
	default:
		opt.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"compression": "uncompressed"}}}
	}
	opt.Internal = true
	if s.target.Build.NoCache && s.reachable(ctx, s.member) { // a second solve would run every step again
		opt.CacheExports = s.target.exports(s.Cache)
	}
	return opt
}

// intoEngine exports into the store of the engine whose BuildKit solves.
func (s *solving) intoEngine() []client.ExportEntry {
	return []client.ExportEntry{{Type: "moby", Attrs: map[string]string{"name": strings.Join(s.target.Names, ",")}}}
}

// id is the image's ID as the engine will know it.
func (s *solving) id() string {
	if s.member.Native {
		return s.response[exptypes.ExporterImageDigestKey]
	}
	return s.response[exptypes.ExporterImageConfigDigestKey]
}

// export begins writing the registry cache where it lacks results, and gives a function that waits for its end and returns
// what went wrong. An export that failed or was killed is made up for by the next build.
func (s *solving) export(ctx context.Context, past *memory, ran bool) func() []string {
	exports := s.target.exports(s.Cache)
	past.Unexported = past.Unexported || ran
	if len(exports) == 0 || !past.Unexported {
		return func() []string { return nil }
	}
	if s.target.Build.NoCache {
		past.Unexported = len(s.warnings) > 0
		return func() []string { return nil }
	}
	past.keep()
	if !s.reachable(ctx, s.member) { // said once for all images
		return func() []string { return nil }
	}
	ended := make(chan string, 1)
	go func() { ended <- s.write(ctx, exports) }()
	return func() []string {
		text := <-ended
		past.Unexported = text != ""
		if text == "" {
			return nil
		}
		return []string{s.unwritten(text)}
	}
}

// write is the solve that exports the cache. It has a session of its own: over the first one the builder would find results by
// that session's name alone, and a key that holds for one session is left out of a cache.
func (s *solving) write(ctx context.Context, exports []client.CacheOptionsEntry) (problem string) {
	rec := newRecorder(s.target.Service, nil)
	opt, _, err := s.target.solveOpt(ctx, s.project, s.Environment, s.contexts)
	if err != nil {
		return err.Error()
	}
	opt.CacheImports, opt.CacheExports = s.opt.CacheImports, exports
	rec.firstRun = func() { rec.stop(errEdited) }
	_, err = solve(ctx, s.member.Client, opt, rec)
	if rec.warning == "" && err != nil {
		return err.Error()
	}
	return rec.warning
}

func (s *solving) unwritten(why string) string {
	where := "(cache_to)"
	if e := s.target.exports(s.Cache); len(e) > 0 {
		where = place(e[0])
	}
	return fmt.Sprintf("the build cache was not written to %s: %s", where, lastLine(why))
}

// load gives the engine the image that was just made: the layers that it lacks, or all of it where that can't be done. It
// returns the bytes sent.
func (s *solving) load(ctx context.Context) (int64, error) {
	var sent int64
	if s.member.Native {
		if !s.same {
			return 0, nil // verify has put it there
		}
		opt := s.opt
		opt.FrontendAttrs, opt.Exports = withoutNoCache(opt.FrontendAttrs), s.intoEngine()
		_, err := solve(ctx, s.member.Client, opt, newRecorder(s.target.Service, nil))
		return 0, err
	}
	image, err := readBuilt(ctx, s.member.Client, s.response[exptypes.ExporterImageDigestKey])
	if err == nil {
		sent, err = image.loadDelta(ctx, s.Options, s.layers, s.target.Names)
	}
	var typed *fault.Error
	if err == nil || ctx.Err() != nil || errors.As(err, &typed) && typed.Code == fault.Resources {
		return sent, err
	}
	if !errors.Is(err, errNotHeld) {
		s.warnings = append(s.warnings, fmt.Sprintf("the whole image was sent, since sending only the layers that the engine lacks failed: %v", err))
	}
	opt := s.opt
	opt.FrontendAttrs = withoutNoCache(opt.FrontendAttrs)
	full, err := loadFull(ctx, s.Options, s.member.Builder, opt, s.target.Names, newRecorder(s.target.Service, nil))
	if err == nil && !s.Engine.ContainerdStore() {
		err = verify(ctx, s.Engine, s.target.Names, s.id())
	}
	return sent + full, err
}

// withoutNoCache lets a second solve use what the first has just made.
func withoutNoCache(attrs map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range attrs {
		if k != "no-cache" {
			out[k] = v
		}
	}
	return out
}

// solve runs one solve, forwards its progress until the channel is drained, and ends it where a registry is silent.
func solve(ctx context.Context, c *client.Client, opt client.SolveOpt, rec *recorder) (*client.SolveResponse, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rec.stop = cancel
	status := make(chan *client.SolveStatus)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for s := range status {
			rec.update(s)
		}
	}()
	go rec.watch(ctx)
	resp, err := c.Solve(ctx, nil, opt, status)
	<-drained
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return resp, err
}
