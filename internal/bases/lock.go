// Package bases owns the digests to which a project's base images are locked: the lock file, the references that the
// project's Dockerfiles start from, what a refresh changes, and the source policy that makes BuildKit use the locked
// digests without asking a registry. It builds nothing, asks nobody itself, and knows nothing of how setup makes base
// images.
package bases

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/distribution/reference"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/opencontainers/go-digest"
)

// FileVariable is the environment variable that names another lock file than File's default.
const FileVariable = "BASES_LOCK"

// File is the project's lock file, relative to the working directory: docker/bases.lock, or what BASES_LOCK names.
func File() string {
	if path := os.Getenv(FileVariable); path != "" {
		return path
	}
	return filepath.Join("docker", "bases.lock")
}

// StateFile is the lock file of the base images that setup made itself. Their digests are this machine's alone, so they
// never go into the project's file, and they win over it.
func StateFile(stateDir string) string { return filepath.Join(stateDir, "bases.lock") }

// Lock says which digest each base reference stands for. The zero Lock locks nothing. A Lock is a value: its methods
// change nothing of it.
type Lock struct {
	entries map[string]entry // by the normalized reference: docker.io/library/golang:1.26-bookworm
	header  []string         // the file's comments before the first entry's own, as they were written
	trailer []string         // the file's comments after the last entry
}

// entry is one line of the file, with the comment lines that stand directly above it.
type entry struct {
	ref     string // as the Dockerfile writes it: golang:1.26-bookworm
	digest  digest.Digest
	comment []string
}

// New gives a Lock of these digests, by reference.
func New(digests map[string]digest.Digest) (Lock, error) {
	l := Lock{entries: map[string]entry{}}
	for ref, d := range digests {
		key, err := normalize(ref)
		if err == nil {
			err = d.Validate()
		}
		if err != nil {
			return Lock{}, fmt.Errorf("locking %q: %w", ref, err)
		}
		l.entries[key] = entry{ref: ref, digest: d}
	}
	return l, nil
}

// Explained gives l with these comment lines at the head of its file.
func (l Lock) Explained(comment ...string) Lock {
	l.header = append(slices.Clone(comment), "")
	return l
}

// Len is how many references are locked.
func (l Lock) Len() int { return len(l.entries) }

// Refs lists the locked references as the file has them, sorted.
func (l Lock) Refs() []string {
	refs := make([]string, 0, len(l.entries))
	for _, e := range l.entries {
		refs = append(refs, e.ref)
	}
	slices.Sort(refs)
	return refs
}

// Digest gives the digest that ref is locked to. golang, golang:latest and docker.io/library/golang:latest are the same
// reference.
func (l Lock) Digest(ref string) (digest.Digest, bool) {
	key, err := normalize(ref)
	if err != nil {
		return "", false
	}
	e, ok := l.entries[key]
	return e.digest, ok
}

// Merge gives l with over's digests added; where both lock a reference, over wins.
func (l Lock) Merge(over Lock) Lock {
	out := Lock{entries: make(map[string]entry, len(l.entries)+len(over.entries)), header: l.header, trailer: l.trailer}
	maps.Copy(out.entries, l.entries)
	maps.Copy(out.entries, over.entries)
	return out
}

// imageScheme is how BuildKit's source identifiers of images begin.
const imageScheme = "docker-image://"

// Policy is the source policy that has BuildKit replace each locked reference with itself at the locked digest, before
// it asks a registry for anything; nil where nothing is locked. A builder that holds the digest's manifest then
// resolves configuration and layers without a request (BuildKit: util/imageutil.Config, util/pull.tryLocalResolve),
// but for one: where it has not spoken to the registry since it started, or for some five minutes where that wants no
// name, it sends a HEAD for the digest and goes on whatever the answer (util/resolver.Resolver.Fetcher).
func (l Lock) Policy() *spb.Policy {
	if len(l.entries) == 0 {
		return nil
	}
	p := &spb.Policy{Version: 1}
	for _, key := range slices.Sorted(maps.Keys(l.entries)) {
		p.Rules = append(p.Rules, &spb.Rule{
			Action:   spb.PolicyAction_CONVERT,
			Selector: &spb.Selector{Identifier: imageScheme + key, MatchType: spb.MatchType_EXACT},
			Updates:  &spb.Update{Identifier: imageScheme + key + "@" + l.entries[key].digest.String()},
		})
	}
	return p
}

// errPinned is of a reference that needs no lock.
var errPinned = errors.New("it names a digest itself")

// normalize gives the full form in which BuildKit compares references: registry, repository, tag. One with a digest
// needs no lock and is an error.
func normalize(ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", err
	}
	if _, pinned := named.(reference.Digested); pinned {
		return "", fmt.Errorf("%q: %w", ref, errPinned)
	}
	return reference.TagNameOnly(named).String(), nil
}
