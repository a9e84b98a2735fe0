package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	contentlocal "github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// How long a registry may be silent. A registry that refuses is quick; one that hangs must not hang the build.
const (
	cacheWithin = 10 * time.Second // to give a cache's manifest
	baseWithin  = 45 * time.Second // to name a base image's digest
	layerWithin = 3 * time.Minute  // between two pieces of a layer, or two layers of the cache's export; …
	pieceWithin = 20 * time.Second // … of a small one
	stepWithin  = 30 * time.Second // between two pieces of a result that a build cache has
)

// slowest is a registry that takes this many bytes of a layer in a second.
const slowest = 128 << 10

var (
	errRan         = errors.New("a step is about to run")
	errCacheSilent = errors.New("the registry did not answer")
	errLayerSilent = errors.New("the build cache's registry has sent nothing more of a layer")
	errEdited      = errors.New("the sources changed while they were built; build again")
)

// solving is the solves of one image on one builder.
type solving struct {
	*run
	target   Target
	member   *member
	opt      request  // as solved last, its cache imports included
	past     memory   // of the last build
	same     bool     // nothing changed since this builder built it
	known    bool     // and the engine has it: it need not be named if the builder confirms it
	ran      int      // steps, in the solve that made the image
	bases    []string // full names of the images that it starts from
	warnings []string
	response map[string]string
	upload   *upload // that the engine has been made ready for; nil for none
	loaded   *built  // what the engine was given; nil where it exported the image itself
}

// confirm has the builder make the image. Where it should be the one that the engine has, the builder is first asked only whether
// every step's result is there and every base still the same: to write and name the image too takes a tenth longer.
func (s *solving) confirm(ctx context.Context) (*recorder, error) {
	rec, err := s.verify(ctx)
	if err != nil || !s.known || rec.confirms(s.past) {
		return rec, err
	}
	s.known = false
	if again, err := s.verify(ctx); err != nil {
		return again, err
	}
	return rec, nil
}

// verify has the builder make the image, from its cache as far as nothing changed. Where everything should come from
// there, no registry is asked for its cache first; should a step have to run all the same (a pruned builder), the solve
// starts again with the registry's.
func (s *solving) verify(ctx context.Context) (*recorder, error) {
	if s.same && len(s.target.imports(s.Cache)) > 0 {
		if done, ok := s.quick.begin(); ok {
			rec, err := s.verifyQuickly(ctx)
			done()
			if !errors.Is(err, errRan) && !errors.Is(err, errLayerSilent) {
				return rec, err
			}
			s.quick.running.Wait()
		}
	}
	s.opt.CacheImports = s.importable(ctx, s.target, s.member)
	rec := newRecorder(s.target.Service, s.show)
	// An image in which a step runs will have to be loaded: what the engine holds of the project is asked while it runs.
	rec.firstRun = func() {
		s.order.underway(s.target.Service)
		go s.layers.prepare(ctx)
	}
	if !s.member.Native {
		rec.exporting = func() { s.upload = openUpload(ctx, s.Engine) }
	}
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
	resp, without, err := solveOrGiveUp(ctx, s.member.Builder, s.finding(ctx), rec)
	if without != "" {
		s.opt.CacheImports = nil
		s.warnings = append(s.warnings, without)
	}
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
func (s *solving) finding(ctx context.Context) request {
	opt := s.opt
	switch {
	case s.known: // nothing is exported
	case s.member.Native && !s.same:
		opt.Exports = s.intoEngine()
	case s.member.Native: // what is probably there need not be named and unpacked again
		opt.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"compression": engineCompression}}}
	default:
		opt.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"compression": "uncompressed"}}}
	}
	opt.Internal = true
	opt.CacheExports = s.target.inline()
	if s.target.fresh() { // a second solve would run those steps again
		opt.CacheExports = append(opt.CacheExports, s.exportable(ctx, s.target, s.member)...)
	}
	return opt
}

// engineCompression packs the layers in an engine's own store, which every engine with a containerd store can read. With
// BuildKit's default, gzip, a changed layer took three times as long to get there; unpacked layers would take three times the room.
const engineCompression = "zstd"

// intoEngine exports into the store of the engine whose BuildKit solves.
func (s *solving) intoEngine() []client.ExportEntry {
	return []client.ExportEntry{{Type: "moby", Attrs: map[string]string{
		"name": strings.Join(s.target.Names, ","), "compression": engineCompression,
	}}}
}

// id is the image's ID as the engine will know it.
func (s *solving) id() string {
	if s.known {
		return s.past.ID
	}
	if s.member.Native {
		return s.response[exptypes.ExporterImageDigestKey]
	}
	return s.response[exptypes.ExporterImageConfigDigestKey]
}

// export begins writing the registry cache where it lacks results, and gives a function that waits for its end and returns
// what went wrong. An export that failed or was killed is made up for by the next build.
func (s *solving) export(ctx context.Context, past *memory, ran bool) func() []string {
	past.Unexported = past.Unexported || ran
	if !past.Unexported || len(s.target.exports(s.Cache)) == 0 {
		return func() []string { return nil }
	}
	if s.target.fresh() {
		past.Unexported = len(s.warnings) > 0
		return func() []string { return nil }
	}
	past.keep()
	exports := s.exportable(ctx, s.target, s.member)
	if len(exports) == 0 { // said once for all images
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
	if err := opt.hostGateway(s.member.Builder); err != nil {
		return err.Error()
	}
	opt.CacheImports, opt.CacheExports = s.opt.CacheImports, exports
	rec.firstRun = func() { rec.stop(errEdited) }
	_, err = solve(ctx, s.member.Builder, opt, rec)
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

// load gives the engine the image that was just made: the layers that it lacks. It returns the bytes sent.
func (s *solving) load(ctx context.Context) (int64, error) {
	if s.member.Native {
		return 0, s.name(ctx)
	}
	image, err := s.made(ctx)
	if err != nil {
		return 0, err
	}
	sent, err := s.send(ctx, image)
	var typed *fault.Error
	if err == nil || ctx.Err() != nil || fault.EngineLost(err) || errors.As(err, &typed) && typed.Code == fault.Resources {
		return sent, err
	}
	// A layer that the engine held may be gone: it gets all of them.
	s.layers.forget(image.diffs)
	s.warnings = append(s.warnings, fmt.Sprintf("the whole image was sent, since sending only the layers that the engine lacks failed: %v", err))
	whole, err := s.send(ctx, image)
	return sent + whole, err
}

// name puts what verify made into the engine whose own BuildKit made it, unless verify has done so already.
func (s *solving) name(ctx context.Context) error {
	if !s.same {
		return nil
	}
	opt := s.opt
	opt.FrontendAttrs, opt.Exports = withoutNoCache(opt.FrontendAttrs), s.intoEngine()
	_, err := solve(ctx, s.member.Builder, opt, newRecorder(s.target.Service, nil))
	return err
}

// made reads what verify made. The builder keeps the manifest of an internal solve only until it clears up: should it be gone, the
// solve is made again, with an entry in the builder's history, which holds it.
func (s *solving) made(ctx context.Context) (*built, error) {
	image, err := readBuilt(ctx, s.member.Client, s.response[exptypes.ExporterImageDigestKey])
	if err == nil || ctx.Err() != nil {
		return image, err
	}
	opt := s.finding(ctx)
	opt.FrontendAttrs, opt.CacheExports, opt.Internal = withoutNoCache(opt.FrontendAttrs), nil, false
	resp, err := solve(ctx, s.member.Builder, opt, newRecorder(s.target.Service, nil))
	if err != nil {
		return nil, err
	}
	if id := resp.ExporterResponse[exptypes.ExporterImageConfigDigestKey]; id != s.id() {
		return nil, errEdited
	}
	return readBuilt(ctx, s.member.Client, resp.ExporterResponse[exptypes.ExporterImageDigestKey])
}

// send loads the layers that the engine lacks, and checks that it then has the image.
func (s *solving) send(ctx context.Context, image *built) (int64, error) {
	if err := s.layers.find(ctx, image.diffs, s.bases, s.ran); err != nil {
		return 0, err
	}
	defer s.hold(s.target.Names)() // before any layer is reserved, on which another one could wait that has the name
	send, done, err := s.layers.reserve(ctx, image.diffs)
	if err != nil {
		return 0, err
	}
	loaded := false
	defer func() { done(loaded) }()
	from, remove, err := s.from(ctx, image, send)
	if err != nil {
		return 0, err
	}
	defer remove()
	to := s.upload
	if s.upload = nil; to == nil {
		to = openUpload(ctx, s.Engine)
	}
	n, err := to.finish(func(w io.Writer) error { return image.tarball(ctx, w, from, s.target.Names, send) })
	if err == nil && !s.Engine.ContainerdStore() {
		err = verify(ctx, s.Engine, s.target.Names, s.id())
	}
	loaded, s.loaded = err == nil, image
	return n, err
}

// given is the ID under which the engine has the image that it was just given; "" where another took one of its names meanwhile.
func (s *solving) given(ctx context.Context) string {
	id := s.engineID(ctx, s.target)
	if id == "" || id == s.id() {
		return id
	}
	// An engine with a containerd store writes a manifest of its own for what it loads: the layers tell whether it is the same image.
	if s.loaded == nil || !s.Engine.ContainerdStore() {
		return ""
	}
	found, err := s.Engine.ImageInspect(ctx, id)
	if err != nil || found.ID != id || !s.loaded.has(found.RootFS.Layers) {
		return ""
	}
	return id
}

// drop ends an upload that nobody needed: the engine has the image, or the build failed.
func (s *solving) drop() {
	if s.upload != nil {
		s.upload.drop()
	}
}

// from is where the layers are: in the builder, or, where that has some only by reference to a registry, in a folder into which it
// passes on just these. remove takes the folder away.
func (s *solving) from(ctx context.Context, image *built, layers []int) (from content.Provider, remove func(), err error) {
	held, err := image.holds(ctx, layers)
	if held || err != nil {
		return image.store, func() {}, err
	}
	dir, err := os.MkdirTemp("", "layers-*")
	if err != nil {
		return nil, nil, fmt.Errorf("fetching layers: %w", err)
	}
	remove = func() { _ = os.RemoveAll(dir) }
	store, err := contentlocal.NewStore(dir)
	if err == nil {
		err = s.fetch(ctx, store, image, layers)
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	return store, remove, nil
}

func (s *solving) fetch(ctx context.Context, store content.Store, image *built, layers []int) error {
	wanted := map[digest.Digest]bool{}
	for _, i := range layers {
		wanted[image.layers[i].Digest] = true
	}
	opt := s.opt
	opt.FrontendAttrs = withoutNoCache(opt.FrontendAttrs)
	opt.Exports = []client.ExportEntry{{
		Type: client.ExporterOCI, Attrs: map[string]string{"tar": "false", "compression": "uncompressed"}, OutputStore: some{store, wanted},
	}}
	if _, err := solve(ctx, s.member.Builder, opt, newRecorder(s.target.Service, nil)); err != nil {
		return err
	}
	for d := range wanted {
		if _, err := store.Info(ctx, d); err != nil {
			return fmt.Errorf("fetching layers: %w: %w", errEdited, err)
		}
	}
	return nil
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
