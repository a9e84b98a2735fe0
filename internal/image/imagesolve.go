package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/buildkit/client"

	"github.com/25eloquence/compose-mage/internal/buildcache"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/imageload"
	"github.com/25eloquence/compose-mage/internal/solve"
)

var errEdited = errors.New("the sources changed while they were built; build again")

// imageSolve is the solves of one image on one builder.
type imageSolve struct {
	*run
	target buildplan.Target
	member *member
	opt    solve.Request // as solved last, its cache imports included
	past   memory        // of the last build
	// nothing that it is built from changed since this builder built it, as far as is known here
	unchanged   bool
	onlyConfirm bool     // and the engine has it: it need not be named if the builder confirms it
	stepsRan    int      // steps, in the solve that made the image
	bases       []string // full names of the images that it starts from
	warnings    []string
	response    map[string]string
	upload      *imageload.Upload     // that the engine has been made ready for; nil for none
	loaded      *imageload.BuiltImage // what the engine was given; nil where it exported the image itself
}

// makeOrConfirm has the builder make the image. Where the image should be the one that the engine has, the builder is
// first asked only whether it has the result of every step, and whether every base is still the same: to write and name
// the image too takes a tenth longer.
func (s *imageSolve) makeOrConfirm(ctx context.Context) (*solve.Recorder, error) {
	rec, err := s.makeImage(ctx)
	if err != nil || !s.onlyConfirm || !rec.Ran() && rec.Bases() == s.past.Bases {
		return rec, err
	}
	s.onlyConfirm = false
	if again, err := s.makeImage(ctx); err != nil {
		return again, err
	}
	return rec, nil
}

// makeImage has the builder make the image, from its cache as far as nothing changed. Where everything should come from
// there, no registry is asked for its cache first; should a step have to run all the same (a pruned builder), the solve
// starts again with the registry's.
func (s *imageSolve) makeImage(ctx context.Context) (*solve.Recorder, error) {
	if s.unchanged && len(s.target.CacheImports(s.Cache)) > 0 {
		if done, ok := s.cacheOnly.begin(); ok {
			rec, err := s.makeFromBuilderCache(ctx)
			done()
			if !errors.Is(err, errStepRuns) && !errors.Is(err, solve.ErrLayerSilent) {
				return rec, err
			}
			s.cacheOnly.running.Wait()
		}
	}
	s.opt.CacheImports = s.usableImports(ctx, s.target, s.member)
	rec := solve.NewRecorder(s.target.Service, s.show)
	// An image in which a step runs will have to be loaded: what the engine holds of the project is asked while it
	// runs.
	rec.OnFirstStep = func() {
		s.order.setStarted(s.target.Service)
		go s.layers.Prepare(ctx)
	}
	if !s.member.Native {
		rec.OnExport = func() { s.upload = imageload.OpenUpload(ctx, s.Engine) }
	}
	return rec, s.runSolve(ctx, rec)
}

// makeFromBuilderCache is makeImage without the registry's cache. A step that is about to run ends it, and those of the
// other images, with errStepRuns.
func (s *imageSolve) makeFromBuilderCache(ctx context.Context) (*solve.Recorder, error) {
	rec := solve.NewRecorder(s.target.Service, s.show)
	rec.OnFirstStep = s.cacheOnly.endAll
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.cacheOnly.over, func() { cancel(errStepRuns) })()
	return rec, s.runSolve(ctx, rec)
}

// runSolve runs the solve and keeps what it answers.
func (s *imageSolve) runSolve(ctx context.Context, rec *solve.Recorder) error {
	resp, without, err := solve.RunOrDropImports(ctx, s.member.Builder, s.solveOptions(ctx), rec)
	if without != "" {
		s.opt.CacheImports = nil
		s.warnings = append(s.warnings, without)
	}
	if err != nil {
		return err
	}
	s.response = resp.ExporterResponse
	if warning := rec.ExportWarning(); warning != "" {
		s.warnings = append(s.warnings, s.cacheNotWritten(warning))
	}
	return nil
}

// solveOptions is the solve that makes the image and names it. The builder's history of builds is left to the
// solves that export: writing it took as long as an unchanged solve.
func (s *imageSolve) solveOptions(ctx context.Context) solve.Request {
	opt := s.opt
	opt.Exports = imageExports(s.target.Names, s.member.Native, s.unchanged, s.onlyConfirm)
	opt.Internal = true
	opt.CacheExports = s.target.InlineCache()
	if s.target.IgnoresCache() { // a second solve would run those steps again
		opt.CacheExports = append(opt.CacheExports, s.usableExports(ctx, s.target, s.member)...)
	}
	return opt
}

// id is the image's ID as the engine will know it.
func (s *imageSolve) id() string {
	if s.onlyConfirm {
		return s.past.ID
	}
	return imageID(s.response, s.member.Native)
}

// writeCacheIfNeeded begins writing the registry cache where that cache lacks results, and gives a function that waits
// for the end of the writing and returns what went wrong. The next build makes up for a write that failed or was
// killed.
func (s *imageSolve) writeCacheIfNeeded(ctx context.Context, past *memory, ran bool) func() []string {
	past.Unexported = past.Unexported || ran
	if !past.Unexported || len(s.target.CacheExports(s.Cache)) == 0 {
		return func() []string { return nil }
	}
	if s.target.IgnoresCache() {
		past.Unexported = len(s.warnings) > 0
		return func() []string { return nil }
	}
	past.keep()
	exports := s.usableExports(ctx, s.target, s.member)
	if len(exports) == 0 { // of which a warning is said once for all images
		return func() []string { return nil }
	}
	ended := make(chan string, 1)
	go func() { ended <- s.writeCache(ctx, exports) }()
	return func() []string {
		text := <-ended
		past.Unexported = text != ""
		if text == "" {
			return nil
		}
		return []string{s.cacheNotWritten(text)}
	}
}

// writeCache is the solve that exports the cache. It has a session of its own: over the first one the builder would
// find results by that session's name alone, and a key that holds for one session is left out of a cache.
func (s *imageSolve) writeCache(ctx context.Context, exports []client.CacheOptionsEntry) (problem string) {
	rec := solve.NewRecorder(s.target.Service, nil)
	opt, _, err := solve.NewRequest(ctx, s.target, s.project, s.Environment, s.contexts)
	if err != nil {
		return err.Error()
	}
	if err := opt.SetHostGateway(s.member.Builder); err != nil {
		return err.Error()
	}
	opt.CacheImports, opt.CacheExports = s.opt.CacheImports, exports
	rec.OnFirstStep, rec.Track = func() { rec.Stop(errEdited) }, "cache"
	_, err = solve.Run(ctx, s.member.Builder, opt, rec)
	warning := rec.ExportWarning()
	if warning == "" && err != nil {
		return err.Error()
	}
	return warning
}

func (s *imageSolve) cacheNotWritten(why string) string {
	where := "(cache_to)"
	if e := s.target.CacheExports(s.Cache); len(e) > 0 {
		where = buildcache.Place(e[0])
	}
	return fmt.Sprintf("the build cache was not written to %s: %s", where, fault.BuildMessage(why))
}
