package solve

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strings"

	contentlocal "github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/ociindex"
	"github.com/opencontainers/go-digest"
)

// layoutPrefix begins an additional context that is an image in a directory.
const layoutPrefix = "oci-layout://"

// addLayout offers the image layout of "dir[:tag][@digest]" to the builder and gives the frontend's name of it.
func addLayout(opt *client.SolveOpt, from string) (string, error) {
	dir, tag, id := splitLayout(from)
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if id == "" {
		index := ociindex.NewStoreIndex(dir)
		found, err := index.Get(tag)
		if err == nil && found == nil {
			found, err = index.GetSingle()
		}
		if err != nil {
			return "", fmt.Errorf("reading the image layout %q: %w", dir, err)
		}
		if found == nil {
			return "", fmt.Errorf("reading the image layout %q: it has no image %q", dir, tag)
		}
		id = found.Digest
	}
	store, err := contentlocal.NewStore(dir)
	if err != nil {
		return "", fmt.Errorf("opening the image layout %q: %w", dir, err)
	}
	name := fmt.Sprintf("layout-%.8x", sha256.Sum256([]byte(dir))) // the same in every run
	opt.OCIStores[name] = store
	return layoutPrefix + name + "@" + id.String(), nil
}

// splitLayout takes "dir[:tag][@digest]" apart, as buildx does (util/ocilayout); the tag is "latest" where none is
// given.
func splitLayout(from string) (dir, tag string, id digest.Digest) {
	dir, tag = from, "latest"
	if i := strings.LastIndex(dir, "@"); i >= 0 {
		if d, err := digest.Parse(dir[i+1:]); err == nil {
			dir, id = dir[:i], d
		}
	}
	if i := strings.LastIndex(dir, ":"); i > 1 && reference.TagRegexp.FindString(dir[i+1:]) == dir[i+1:] {
		// 1: a drive of Windows
		dir, tag = dir[:i], dir[i+1:]
	}
	return dir, tag, id
}
