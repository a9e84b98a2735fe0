package registry

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/bounded"
)

// StoredDigest is the digest of an image of that name (Docker Hub's) in the files of the registry, which may be down;
// "" where the registry lacks the image.
func StoredDigest(stateDir, name string) digest.Digest {
	repository, tag, _ := strings.Cut(name, ":")
	root := filepath.Join(stateDir, "registry/docker/registry/v2")
	manifests := filepath.Join(root, "repositories/library", repository, "_manifests")
	data, err := bounded.ReadFile(filepath.Join(manifests, "tags", tag, "current/link"))
	if err != nil {
		return ""
	}
	d, err := digest.Parse(strings.TrimSpace(string(data)))
	if err != nil {
		return ""
	}
	// A tag outlives the manifest that was deleted by its digest.
	for _, path := range []string{
		filepath.Join(manifests, "revisions", d.Algorithm().String(), d.Encoded(), "link"),
		filepath.Join(root, "blobs", d.Algorithm().String(), d.Encoded()[:2], d.Encoded(), "data"),
	} {
		if _, err := os.Stat(path); err != nil {
			return ""
		}
	}
	return d
}
