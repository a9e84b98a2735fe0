package provision

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/25eloquence/compose-mage/internal/image"
	"github.com/25eloquence/compose-mage/internal/registry"
)

// baseImage is an image in the local registry.
type baseImage struct {
	local    *registry.Local
	name     string
	digest   digest.Digest // of the manifest
	manifest ocispecs.Manifest
	text     []byte // of the manifest
}

// ids are what an engine may call the image: its store goes by the configuration, a containerd store by the manifest.
func (b baseImage) ids() []string {
	return []string{b.manifest.Config.Digest.String(), b.digest.String()}
}

// archive writes the image as docker load takes it: manifest.json for every engine, and the index that one with a containerd store
// reads. Each blob is checked against its digest.
func (b baseImage) archive(ctx context.Context, w io.Writer) error {
	out := tar.NewWriter(w)
	blob := func(d digest.Digest) string { return "blobs/" + d.Algorithm().String() + "/" + d.Encoded() }
	_, tag, _ := strings.Cut(b.name, ":")
	self := ocispecs.Descriptor{
		MediaType: b.manifest.MediaType, Digest: b.digest, Size: int64(len(b.text)),
		Annotations: map[string]string{
			images.AnnotationImageName: "docker.io/library/" + b.name,
			ocispecs.AnnotationRefName: tag,
		},
	}
	if self.MediaType == "" {
		self.MediaType = ocispecs.MediaTypeImageManifest
	}
	index, err := json.Marshal(ocispecs.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageIndex, Manifests: []ocispecs.Descriptor{self},
	})
	if err != nil {
		return err
	}
	layers := make([]string, len(b.manifest.Layers))
	for i, l := range b.manifest.Layers {
		layers[i] = blob(l.Digest)
	}
	legacy, err := json.Marshal([]map[string]any{{"Config": blob(b.manifest.Config.Digest), "RepoTags": []string{b.name}, "Layers": layers}})
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{ocispecs.ImageLayoutFile, []byte(`{"imageLayoutVersion":"` + ocispecs.ImageLayoutVersion + `"}`)},
		{ocispecs.ImageIndexFile, index},
		{"manifest.json", legacy},
		{blob(b.digest), b.text},
	} {
		if err := tarEntry(out, f.name, int64(len(f.data)), 0o644, func(w io.Writer) error {
			_, err := io.Copy(w, bytes.NewReader(f.data))
			return err
		}); err != nil {
			return err
		}
	}
	written := map[digest.Digest]bool{}
	for _, d := range append([]ocispecs.Descriptor{b.manifest.Config}, b.manifest.Layers...) {
		if written[d.Digest] { // an image may have the same layer twice
			continue
		}
		written[d.Digest] = true
		err := tarEntry(out, blob(d.Digest), d.Size, 0o644, func(w io.Writer) error { return b.local.Blob(ctx, w, b.name, d) })
		if err != nil {
			return fmt.Errorf("reading a layer of %q: %w", b.name, err)
		}
	}
	return out.Close()
}

func tarEntry(out *tar.Writer, name string, size, mode int64, write func(io.Writer) error) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: size}); err != nil {
		return err
	}
	return write(out)
}

// load gives the engine the image.
func (b baseImage) load(ctx context.Context, e image.Engine) error {
	reader, writer := io.Pipe()
	go func() { _ = writer.CloseWithError(b.archive(ctx, writer)) }()
	err := image.LoadArchive(ctx, e, reader)
	_ = reader.Close() // ends the archive where the engine gave up
	return err
}
