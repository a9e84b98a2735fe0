package registry

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is an image in the local registry.
type Image struct {
	Registry *Local
	Name     string        // Docker Hub's for it: "debian:bookworm-slim"
	Digest   digest.Digest // of the manifest
	Manifest ocispecs.Manifest
	Text     []byte // of the manifest
}

// IDs are what an engine may call the image: its store goes by the configuration, a containerd store by the manifest.
func (i Image) IDs() []string {
	return []string{i.Manifest.Config.Digest.String(), i.Digest.String()}
}

// Archive writes the image as docker load takes it: manifest.json for every engine, and the index that one with a
// containerd store reads. Each blob is checked against its digest.
func (i Image) Archive(ctx context.Context, w io.Writer) error {
	out := tar.NewWriter(w)
	blob := func(d digest.Digest) string { return "blobs/" + d.Algorithm().String() + "/" + d.Encoded() }
	_, tag, _ := strings.Cut(i.Name, ":")
	self := ocispecs.Descriptor{
		MediaType: i.Manifest.MediaType, Digest: i.Digest, Size: int64(len(i.Text)),
		Annotations: map[string]string{
			images.AnnotationImageName: "docker.io/library/" + i.Name,
			ocispecs.AnnotationRefName: tag,
		},
	}
	if self.MediaType == "" {
		self.MediaType = ocispecs.MediaTypeImageManifest
	}
	index, err := json.Marshal(ocispecs.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageIndex,
		Manifests: []ocispecs.Descriptor{self},
	})
	if err != nil {
		return err
	}
	layers := make([]string, len(i.Manifest.Layers))
	for n, l := range i.Manifest.Layers {
		layers[n] = blob(l.Digest)
	}
	legacy,
		err := json.Marshal([]map[string]any{{
		"Config": blob(i.Manifest.Config.Digest), "RepoTags": []string{i.Name},
		"Layers": layers,
	}})
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
		{blob(i.Digest), i.Text},
	} {
		if err := tarEntry(out, f.name, int64(len(f.data)), func(w io.Writer) error {
			_, err := w.Write(f.data)
			return err
		}); err != nil {
			return err
		}
	}
	written := map[digest.Digest]bool{}
	for _, d := range append([]ocispecs.Descriptor{i.Manifest.Config}, i.Manifest.Layers...) {
		if written[d.Digest] { // an image may have the same layer twice
			continue
		}
		written[d.Digest] = true
		err := tarEntry(out, blob(d.Digest), d.Size,
			func(w io.Writer) error { return i.Registry.Blob(ctx, w, i.Name, d) })
		if err != nil {
			return fmt.Errorf("reading a layer of %q: %w", i.Name, err)
		}
	}
	return out.Close()
}

func tarEntry(out *tar.Writer, name string, size int64, write func(io.Writer) error) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	return write(out)
}
