package imageload

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"slices"

	"github.com/containerd/containerd/v2/core/content"
	cerrdefs "github.com/containerd/errdefs"
	moby "github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// Saver is an engine that gives its images as docker save does.
type Saver interface {
	ImageSave(ctx context.Context, images []string, opts ...moby.ImageSaveOption) (moby.ImageSaveResult, error)
}

// SavedImage is an image of an engine, with those of its layers that are wanted in a file of its own. Its store is not
// containerd's: the image's ID is the digest of its configuration.
type SavedImage struct {
	BuiltImage
	file *os.File
	at   map[digest.Digest]section
}

// section is a part of the file, in bytes.
type section struct{ begin, size int64 }

// ReadSaved takes an image out of an engine: its configuration, and the layers of wanted (indexes, bottom first) of
// diffs, which are the uncompressed digests of all its layers. The caller closes it.
func ReadSaved(ctx context.Context, from Saver, id string, diffs []digest.Digest, wanted []int) (*SavedImage, error) {
	saved, err := from.ImageSave(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	defer saved.Close()
	s := &SavedImage{BuiltImage: BuiltImage{id: digest.Digest(id), diffs: diffs}, at: map[digest.Digest]section{}}
	for _, d := range diffs {
		s.layers = append(s.layers, ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageLayer, Digest: d})
	}
	if s.file, err = os.CreateTemp("", "layers-*"); err != nil {
		return nil, err
	}
	_ = os.Remove(s.file.Name()) // fails on Windows, where the system's temporary files are cleared by other means
	need := map[digest.Digest]bool{}
	for _, i := range wanted {
		need[diffs[i]] = true
	}
	if err = s.read(saved, need); err != nil {
		s.Close()
		return nil, fault.EngineStream(err)
	}
	return s, nil
}

// Close removes the layers.
func (s *SavedImage) Close() { _ = s.file.Close() }

// read goes through the tarball. What a file of it is, its content alone says: engine 20.10 names layers by IDs of its
// own, later ones by their digests.
func (s *SavedImage) read(tarball io.Reader, need map[digest.Digest]bool) error {
	limit := bounded.Limit{What: "the image", Bytes: math.MaxInt64}
	if space, err := diskspace.Of(os.TempDir()); err == nil {
		limit = withinDisk(limit, space.Free)
	}
	in, end := tar.NewReader(tarball), int64(0)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return s.complete(need)
		}
		if err != nil {
			return fmt.Errorf("reading the engine's image: %w", err)
		}
		named := digest.NewDigestFromEncoded(digest.Canonical, path.Base(header.Name))
		if header.Typeflag != tar.TypeReg || named.Validate() == nil && named != s.id && !need[named] {
			continue
		}
		found := digest.Canonical.Digester()
		size, err := io.Copy(io.MultiWriter(io.NewOffsetWriter(s.file, end), found.Hash()), limit.Reader(in))
		if err != nil {
			return fmt.Errorf("reading the engine's image: %w", err)
		}
		switch d := found.Digest(); {
		case d == s.id:
			if s.config, err = maxBlob.ReadAll(io.NewSectionReader(s.file, end, size)); err != nil {
				return err
			}
		case need[d] && s.at[d].size == 0:
			s.at[d] = section{end, size}
			end += size
			limit.Bytes -= size
		}
	}
}

// complete checks that all is there, and that the configuration has the layers.
func (s *SavedImage) complete(need map[digest.Digest]bool) error {
	if s.config == nil {
		return fmt.Errorf("the engine gave no configuration of the image %s", s.id)
	}
	var config ocispecs.Image
	if err := json.Unmarshal(s.config, &config); err != nil {
		return fmt.Errorf("reading the image's configuration: %w", err)
	}
	if !slices.Equal(config.RootFS.DiffIDs, s.diffs) {
		return fmt.Errorf("the image %s has other layers than the engine said", s.id)
	}
	for d := range need {
		if _, ok := s.at[d]; !ok {
			return fmt.Errorf("the engine gave no layer %s of the image %s", d, s.id)
		}
	}
	return nil
}

// ReaderAt implements content.Provider for the wanted layers.
func (s *SavedImage) ReaderAt(_ context.Context, layer ocispecs.Descriptor) (content.ReaderAt, error) {
	at, ok := s.at[layer.Digest]
	if !ok {
		return nil, fmt.Errorf("layer %s: %w", layer.Digest, cerrdefs.ErrNotFound)
	}
	return savedLayer{io.NewSectionReader(s.file, at.begin, at.size)}, nil
}

type savedLayer struct{ *io.SectionReader }

// Close implements content.ReaderAt.
func (savedLayer) Close() error { return nil }
