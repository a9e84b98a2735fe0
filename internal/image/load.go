package image

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/content/proxy"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// errNotHeld means that the builder has the image only by reference: its layers are still in a registry, or packed in a
// way that the engine can't read.
var errNotHeld = errors.New("the builder does not hold the layers")

// built is an image in the builder's content store.
type built struct {
	store  content.Store
	config []byte
	id     digest.Digest // of config
	layers []ocispecs.Descriptor
	diffs  []digest.Digest // the layers' uncompressed digests, bottom first
}

// readBuilt reads manifest and configuration of what a solve has just made.
func readBuilt(ctx context.Context, c *client.Client, manifestDigest string) (*built, error) {
	b := &built{store: proxy.NewContentStore(c.ContentClient())}
	raw, err := content.ReadBlob(ctx, b.store, ocispecs.Descriptor{Digest: digest.Digest(manifestDigest)})
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	var manifest struct {
		specs.Versioned
		Config ocispecs.Descriptor
		Layers []ocispecs.Descriptor
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	if b.config, err = content.ReadBlob(ctx, b.store, manifest.Config); err != nil {
		return nil, fmt.Errorf("reading the image's configuration: %w", err)
	}
	var config ocispecs.Image
	if err := json.Unmarshal(b.config, &config); err != nil {
		return nil, fmt.Errorf("reading the image's configuration: %w", err)
	}
	b.id, b.layers, b.diffs = manifest.Config.Digest, manifest.Layers, config.RootFS.DiffIDs
	if len(b.layers) != len(b.diffs) {
		return nil, fmt.Errorf("the manifest has %d layers, the configuration %d", len(b.layers), len(b.diffs))
	}
	return b, nil
}

// holds checks that the builder can give these layers in a form that every engine reads.
func (b *built) holds(ctx context.Context, layers []int) error {
	for _, i := range layers {
		if strings.HasSuffix(b.layers[i].MediaType, "zstd") {
			return errNotHeld
		}
		if _, err := b.store.Info(ctx, b.layers[i].Digest); cerrdefs.IsNotFound(err) {
			return errNotHeld
		} else if err != nil {
			return fmt.Errorf("asking the builder for a layer: %w", err)
		}
	}
	return nil
}

// tarball writes the image as docker load takes it, with just the layers of send: of the others an engine that holds them
// asks no file.
func (b *built) tarball(ctx context.Context, w io.Writer, names []string, send []int) error {
	out := tar.NewWriter(w)
	config := b.id.Encoded() + ".json"
	if err := tarFile(out, config, b.config); err != nil {
		return err
	}
	files := make([]string, len(b.diffs))
	for i, d := range b.diffs {
		files[i] = d.Encoded() + "/layer.tar"
	}
	written := map[string]bool{}
	for _, i := range send {
		if written[files[i]] { // an image may have the same layer twice
			continue
		}
		written[files[i]] = true
		if err := b.tarLayer(ctx, out, files[i], b.layers[i]); err != nil {
			return err
		}
	}
	tags := make([]string, len(names))
	for i, name := range names { // docker load takes no name without a tag
		ref, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			return fmt.Errorf("image name %q: %w", name, err)
		}
		tags[i] = reference.FamiliarString(reference.TagNameOnly(ref))
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": config, "RepoTags": tags, "Layers": files}})
	if err != nil {
		return fmt.Errorf("writing the image's manifest: %w", err)
	}
	if err := tarFile(out, "manifest.json", manifest); err != nil {
		return err
	}
	return out.Close()
}

func (b *built) tarLayer(ctx context.Context, out *tar.Writer, name string, layer ocispecs.Descriptor) error {
	reader, err := b.store.ReaderAt(ctx, layer)
	if err != nil {
		return fmt.Errorf("reading a layer from the builder: %w", err)
	}
	defer reader.Close()
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: reader.Size()}); err != nil {
		return err
	}
	// A read of the store is a call to the builder: few large ones.
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, io.NewSectionReader(reader, 0, reader.Size()), make([]byte, 4<<20))
	return err
}

func tarFile(out *tar.Writer, name string, data []byte) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := out.Write(data)
	return err
}

// loadDelta gives the engine the image, sending only layers that it lacks. It returns the bytes that were sent.
func (b *built) loadDelta(ctx context.Context, o Options, layers *engineLayers, names []string) (int64, error) {
	if err := layers.asked(ctx); err != nil {
		return 0, err
	}
	send, done, err := layers.reserve(ctx, b.diffs)
	if err != nil {
		return 0, err
	}
	loaded := false
	defer func() { done(loaded) }()
	if err := b.holds(ctx, send); err != nil {
		return 0, err
	}
	n, err := stream(ctx, o.Engine, func(w io.Writer) error { return b.tarball(ctx, w, names, send) })
	if err == nil && !o.Engine.ContainerdStore() {
		err = verify(ctx, o.Engine, names, b.id.String())
	}
	loaded = err == nil
	if !loaded {
		layers.forget(b.diffs)
	}
	return n, err
}

// stream runs docker load on what write writes. It returns the bytes that went to the engine.
func stream(ctx context.Context, engine Engine, write func(io.Writer) error) (int64, error) {
	reader, writer := io.Pipe()
	counted := &countingWriter{WriteCloser: writer}
	loaded := make(chan error, 1)
	go func() {
		err := engineLoad(ctx, engine, reader)
		_ = reader.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // ends write where the engine gave up
		loaded <- err
	}()
	err := write(counted)
	_ = writer.CloseWithError(err)
	if loadErr := <-loaded; loadErr != nil && (err == nil || errors.Is(err, io.ErrClosedPipe) || strings.Contains(err.Error(), loadErr.Error())) {
		code, next := classify(loadErr.Error())
		return counted.n, fault.New(code, next, "loading the image into the engine: %w", loadErr)
	}
	return counted.n, err
}

// loadFull has the builder pack the whole image, unpacking every layer so that any engine reads it, and streams it to the
// engine. It is for an image of which the builder has layers only by reference, and for an engine that refused the delta.
func loadFull(ctx context.Context, o Options, b *Builder, opt client.SolveOpt, names []string, rec *recorder) (int64, error) {
	return stream(ctx, o.Engine, func(w io.Writer) error {
		opt.Exports = []client.ExportEntry{{
			Type:   client.ExporterDocker,
			Attrs:  map[string]string{"name": strings.Join(names, ","), "compression": "uncompressed", "force-compression": "true"},
			Output: func(map[string]string) (io.WriteCloser, error) { return keepOpen{w}, nil },
		}}
		_, err := solve(ctx, b.Client, opt, rec)
		return err
	})
}

// keepOpen leaves closing to stream, which knows whether the solve went well.
type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

// verify checks that the engine now has the image under every name.
func verify(ctx context.Context, engine Engine, names []string, id string) error {
	for _, name := range names {
		found, err := engine.ImageInspect(ctx, name)
		if err != nil {
			return fmt.Errorf("looking for %q after the load: %w", name, err)
		}
		if found.ID != id {
			return fmt.Errorf("after the load %q is %s, not %s: the sources changed meanwhile, or another build of that name ran; build again", name, found.ID, id)
		}
	}
	return nil
}

// engineLoad streams a tarball to the engine and reads its answer, in which an error may come after the status.
func engineLoad(ctx context.Context, engine Engine, tarball io.Reader) error {
	answer, err := engine.ImageLoad(ctx, tarball)
	if err != nil {
		return err
	}
	defer answer.Close()
	decoder := json.NewDecoder(answer)
	for {
		var message struct {
			Error string `json:"error"`
		}
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading the engine's answer: %w", err)
		}
		if message.Error != "" {
			return errors.New(message.Error)
		}
	}
}

type countingWriter struct {
	io.WriteCloser
	n int64 // bytes
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.WriteCloser.Write(p)
	w.n += int64(n)
	return n, err
}
