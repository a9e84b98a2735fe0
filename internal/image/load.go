package image

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/containerd/containerd/v2/core/content"
	contentlocal "github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"github.com/25eloquence/compose-mage/internal/imageload"
	"github.com/25eloquence/compose-mage/internal/solve"
	"github.com/25eloquence/compose-mage/internal/state"
)

// load gives the engine the layers that it lacks of the image that was just made, and returns the bytes sent.
func (s *imageSolve) load(ctx context.Context) (int64, error) {
	defer state.Loading(ctx, s.project)()
	if s.member.Native {
		return 0, s.nameInEngine(ctx)
	}
	image, err := s.readMade(ctx)
	if err != nil {
		return 0, err
	}
	sent, err := s.send(ctx, image)
	if !worthWhole(err, ctx.Err()) {
		return sent, err
	}
	// A layer that the engine held may be gone: the engine gets all layers.
	s.layers.Forget(image.Diffs())
	s.warnings = append(s.warnings,
		fmt.Sprintf("the whole image was sent, since sending only the layers that the engine lacks failed: %v", err))
	whole, err := s.send(ctx, image)
	return sent + whole, err
}

// nameInEngine puts the image into the engine whose own BuildKit made it, unless makeImage has done so already.
func (s *imageSolve) nameInEngine(ctx context.Context) error {
	if !s.unchanged {
		return nil
	}
	opt := s.opt.UsingCache()
	opt.Exports = intoEngine(s.target.Names)
	_, err := solve.Run(ctx, s.member.Builder, opt, solve.NewRecorder(s.target.Service, nil))
	return err
}

// readMade reads the image that makeImage made. The builder keeps the manifest of an internal solve only until it
// clears up: should the manifest be gone, the solve is made again with an entry in the builder's history, which keeps
// the manifest.
func (s *imageSolve) readMade(ctx context.Context) (*imageload.BuiltImage, error) {
	image, err := imageload.ReadBuilt(ctx, s.member.Client, s.response[exptypes.ExporterImageDigestKey])
	if err == nil || ctx.Err() != nil {
		return image, err
	}
	opt := s.solveOptions(ctx).UsingCache()
	opt.CacheExports, opt.Internal = nil, false
	resp, err := solve.Run(ctx, s.member.Builder, opt, solve.NewRecorder(s.target.Service, nil))
	if err != nil {
		return nil, err
	}
	if id := resp.ExporterResponse[exptypes.ExporterImageConfigDigestKey]; id != s.id() {
		return nil, errEdited
	}
	return imageload.ReadBuilt(ctx, s.member.Client, resp.ExporterResponse[exptypes.ExporterImageDigestKey])
}

// send loads the layers that the engine lacks, and checks that it then has the image.
func (s *imageSolve) send(ctx context.Context, image *imageload.BuiltImage) (int64, error) {
	if err := s.layers.Find(ctx, image.Diffs(), s.bases, s.stepsRan); err != nil {
		return 0, err
	}
	// The names are locked before any layer is reserved: another image that has one of them could wait for the layer.
	defer s.lockNames(s.target.Names)()
	send, done, err := s.layers.Reserve(ctx, image.Diffs())
	if err != nil {
		return 0, err
	}
	loaded := false
	defer func() { done(loaded) }()
	from, remove, err := s.layerSource(ctx, image, send)
	if err != nil {
		return 0, err
	}
	defer remove()
	to := s.upload
	if s.upload = nil; to == nil {
		to = imageload.OpenUpload(ctx, s.Engine)
	}
	n, err := to.Finish(func(w io.Writer) error { return image.WriteTarball(ctx, w, from, s.target.Names, send) })
	if err == nil && !s.Engine.ContainerdStore() {
		err = imageload.Verify(ctx, s.Engine, s.target.Names, s.id())
	}
	loaded, s.loaded = err == nil, image
	return n, err
}

// loadedID is the ID under which the engine has the image that it was just given; "" where another took one of its
// names meanwhile.
func (s *imageSolve) loadedID(ctx context.Context) string {
	id := s.engineID(ctx, s.target)
	if id == "" || id == s.id() {
		return id
	}
	// An engine with a containerd store writes a manifest of its own for what it loads: the layers tell whether it is
	// the same image.
	if s.loaded == nil || !s.Engine.ContainerdStore() {
		return ""
	}
	found, err := s.Engine.ImageInspect(ctx, id)
	if err != nil || found.ID != id || !s.loaded.HasLayers(found.RootFS.Layers) {
		return ""
	}
	return id
}

// dropUpload ends an upload that nobody needed: the engine has the image, or the build failed.
func (s *imageSolve) dropUpload() {
	if s.upload != nil {
		s.upload.Drop()
	}
}

// layerSource is where the layers are: in the builder, or, where the builder has some of them only by reference to a
// registry, in a folder into which the builder passes on just these layers. remove removes the folder.
func (s *imageSolve) layerSource(
	ctx context.Context, image *imageload.BuiltImage, layers []int,
) (from content.Provider, remove func(), err error) {
	held, err := image.InStore(ctx, layers)
	if held || err != nil {
		return image.Store(), func() {}, err
	}
	dir, err := os.MkdirTemp("", "layers-*")
	if err != nil {
		return nil, nil, fmt.Errorf("fetching layers: %w", err)
	}
	remove = func() { _ = os.RemoveAll(dir) }
	store, err := contentlocal.NewStore(dir)
	if err == nil {
		err = s.fetchLayers(ctx, store, image, layers)
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	return store, remove, nil
}

func (s *imageSolve) fetchLayers(ctx context.Context, store content.Store, image *imageload.BuiltImage,
	layers []int,
) error {
	taken := image.Take(store, layers)
	opt := s.opt.UsingCache()
	opt.Exports = []client.ExportEntry{{
		Type: client.ExporterOCI, Attrs: map[string]string{"tar": "false", "compression": "uncompressed"},
		OutputStore: taken,
	}}
	if _, err := solve.Run(ctx, s.member.Builder, opt, solve.NewRecorder(s.target.Service, nil)); err != nil {
		return err
	}
	if err := taken.Complete(ctx); err != nil {
		return fmt.Errorf("fetching layers: %w: %w", errEdited, err)
	}
	return nil
}
