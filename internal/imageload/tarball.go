package imageload

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/content/proxy"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/klauspost/compress/zstd"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// BuiltImage is an image in the builder's content store.
type BuiltImage struct {
	store  content.Store
	config []byte
	id     digest.Digest // of config
	layers []ocispecs.Descriptor
	diffs  []digest.Digest // the layers' uncompressed digests, bottom first
}

// ReadBuilt reads manifest and configuration of what a solve has just made.
func ReadBuilt(ctx context.Context, c *client.Client, manifestDigest string) (*BuiltImage, error) {
	b := &BuiltImage{store: proxy.NewContentStore(c.ContentClient())}
	raw, err := readBlob(ctx, b.store, ocispecs.Descriptor{Digest: digest.Digest(manifestDigest)})
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
	if b.config, err = readBlob(ctx, b.store, manifest.Config); err != nil {
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

// maxBlob bounds manifests and configurations: registries take no manifest of more than 4 MiB.
var maxBlob = bounded.Limit{What: "what the builder has of the image", Bytes: 32 << 20, Code: fault.Builder}

func readBlob(ctx context.Context, store content.Provider, blob ocispecs.Descriptor) ([]byte, error) {
	reader, err := store.ReaderAt(ctx, blob)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return maxBlob.ReadAll(content.NewReader(reader))
}

// Diffs are the layers' uncompressed digests, bottom first.
func (b *BuiltImage) Diffs() []digest.Digest { return b.diffs }

// Store is the builder's store, in which the image is.
func (b *BuiltImage) Store() content.Store { return b.store }

// InStore says whether the builder has these layers itself, not only by reference to a registry.
func (b *BuiltImage) InStore(ctx context.Context, layers []int) (bool, error) {
	for _, i := range layers {
		if _, err := b.store.Info(ctx, b.layers[i].Digest); cerrdefs.IsNotFound(err) {
			return false, nil
		} else if err != nil {
			return false, fmt.Errorf("asking the builder for a layer: %w", err)
		}
	}
	return true, nil
}

// WriteTarball writes the image as docker load takes it, with just the layers of send, which from has: an engine that
// holds the other layers does not look for their files.
func (b *BuiltImage) WriteTarball(
	ctx context.Context, w io.Writer, from content.Provider, names []string, send []int,
) error {
	out := tar.NewWriter(w)
	config := b.id.Encoded() + ".json"
	if err := tarFile(out, config, b.config); err != nil {
		return err
	}
	files := make([]string, len(b.diffs))
	for i, d := range b.diffs {
		files[i] = layersDir + d.Encoded() + ".tar"
	}
	written := map[string]bool{}
	for _, i := range send {
		if written[files[i]] { // an image may have the same layer twice
			continue
		}
		written[files[i]] = true
		if err := tarLayer(ctx, out, files[i], from, b.layers[i]); err != nil {
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

// tarLayer writes a layer as it is, or unpacked where it is packed with zstd, which engine 20.10 can't read.
func tarLayer(
	ctx context.Context, out *tar.Writer, name string, from content.Provider, layer ocispecs.Descriptor,
) error {
	reader, err := from.ReaderAt(ctx, layer)
	if err != nil {
		return fmt.Errorf("reading a layer: %w", err)
	}
	defer reader.Close()
	size, body := reader.Size(), io.Reader(io.NewSectionReader(reader, 0, reader.Size()))
	if strings.HasSuffix(layer.MediaType, "zstd") {
		unpacked, err := unpackZstd(body, unpackLimit(layer, size))
		if err != nil {
			return fmt.Errorf("unpacking a layer: %w", err)
		}
		defer unpacked.Close()
		info, err := unpacked.Stat()
		if err != nil {
			return err
		}
		size, body = info.Size(), unpacked
	}
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	next := readAhead(body)
	defer next.Close()
	_, err = io.Copy(out, next)
	return err
}

// readAhead reads the next piece while one is written. Pieces are large, since each read of the builder's store is a
// call to the builder.
func readAhead(body io.Reader) io.ReadCloser {
	reader, writer := io.Pipe()
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{writer}, struct{ io.Reader }{body}, make([]byte, 2<<20))
		_ = writer.CloseWithError(err)
	}()
	return reader
}

const (
	// maxWindow is the memory that zstd may ask for, in bytes: the most that its own program grants unasked.
	maxWindow = 128 << 20
	// maxRatio is how many times as large as packed a layer may be; text is some ten times, and a layer up to
	// unpackedAlways may be zeros alone.
	maxRatio       = 1000
	unpackedAlways = 4 << 30
	// keepFree is what unpacking leaves of the disk, in bytes.
	keepFree = 1 << 30
)

// unpackLimit is how large a layer may be unpacked: the layer comes from a cache that others may write to.
func unpackLimit(layer ocispecs.Descriptor, packed int64) bounded.Limit {
	l := bounded.Limit{
		What:  fmt.Sprintf("the layer %s, of %s packed", layer.Digest, ui.Bytes(packed)),
		Bytes: max(unpackedAlways, maxRatio*packed),
		Code:  fault.Registry, Next: "CACHE_REGISTRY=none go tool mage build -no-cache (makes the layer anew)",
	}
	if space, err := diskspace.Of(os.TempDir()); err == nil {
		l = withinDisk(l, space.Free)
	}
	return l
}

// withinDisk lowers a limit to what the disk has free, in bytes, less what is left of it.
func withinDisk(l bounded.Limit, free int64) bounded.Limit {
	if free-keepFree < l.Bytes {
		l.Bytes, l.Code, l.Next = max(0, free-keepFree), fault.Resources,
			"go tool mage cleanup, or TMPDIR on a larger disk"
	}
	return l
}

// unpackZstd unpacks a layer into a file that is gone when it is closed: in a tarball a file's size stands before its
// content.
func unpackZstd(packed io.Reader, limit bounded.Limit) (*os.File, error) {
	in, err := zstd.NewReader(packed, zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	file, err := os.CreateTemp("", "layer-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name()) // fails on Windows, where the system's temporary files are cleared by other means
	if _, err = io.Copy(file, limit.Reader(in)); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func tarFile(out *tar.Writer, name string, data []byte) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := out.Write(data)
	return err
}

// HasLayers says whether these are the image's layers, by their uncompressed digests.
func (b *BuiltImage) HasLayers(layers []string) bool {
	return slices.EqualFunc(b.diffs, layers, func(d digest.Digest, layer string) bool { return d.String() == layer })
}

// Verify checks that the engine now has the image under every name.
func Verify(ctx context.Context, engine Engine, names []string, id string) error {
	for _, name := range names {
		found, err := engine.ImageInspect(ctx, name)
		if err != nil {
			return fmt.Errorf("looking for %q after the load: %w", name, err)
		}
		if found.ID != id {
			return fmt.Errorf("after the load %q is %s, not %s: the sources changed meanwhile, or another build of "+
				"that name ran; build again", name, found.ID, id)
		}
	}
	return nil
}

// LayersOnly is a store that takes only some layers of an image, and says of all other blobs that it has them already,
// so that the builder neither fetches nor sends these.
type LayersOnly struct {
	content.Store
	wanted map[digest.Digest]bool
}

// Take makes a store that takes only these layers of the image (indexes, bottom first).
func (b *BuiltImage) Take(into content.Store, layers []int) LayersOnly {
	l := LayersOnly{Store: into, wanted: map[digest.Digest]bool{}}
	for _, i := range layers {
		l.wanted[b.layers[i].Digest] = true
	}
	return l
}

// Complete says whether all of the layers have been taken.
func (l LayersOnly) Complete(ctx context.Context) error {
	for d := range l.wanted {
		if _, err := l.Info(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// Writer implements content.Ingester.
func (l LayersOnly) Writer(ctx context.Context, opts ...content.WriterOpt) (content.Writer, error) {
	var o content.WriterOpts
	for _, apply := range opts {
		if err := apply(&o); err != nil {
			return nil, err
		}
	}
	if !l.wanted[o.Desc.Digest] {
		return nil, cerrdefs.ErrAlreadyExists
	}
	return l.Store.Writer(ctx, opts...)
}
