package provision

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"

	baselock "github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
)

// MadeBases are the base images that the local registry (host:port) holds under Docker Hub's names, with their digests:
// where the Hub is away, those that setup made. One that can't be had is left out; without a registry there are none.
func MadeBases(ctx context.Context, registry string) baselock.Lock {
	digests := map[string]digest.Digest{}
	for _, name := range baseNames {
		if registry == "" {
			break
		}
		if d, err := imageDigest(ctx, registry, name); err == nil && digest.Digest(d).Validate() == nil {
			digests[name] = digest.Digest(d)
		}
	}
	made, err := baselock.New(digests)
	if err != nil {
		return baselock.Lock{} // never: the names are ours and the digests valid
	}
	return made
}

// lockBases writes the digests of the bases that setup made, here or in an earlier run, to this machine's lock file: no
// other machine's registry has them, so the project's own file must not.
func (s *setup) lockBases(ctx context.Context, registry string) error {
	made := MadeBases(ctx, registry)
	for _, name := range baseNames {
		if _, ok := made.Digest(name); !ok {
			return fault.New(fault.Registry, "go tool mage setup", "locking %q: the registry at %s gives no digest for it", name, registry)
		}
	}
	return made.Explained("# The base images that setup made on this machine. Written by setup; they win over the project's docker/bases.lock.").
		Write(baselock.StateFile(s.dir))
}

// unlockBases forgets bases that were made while Docker Hub was away: with the Hub there, its images count.
func (s *setup) unlockBases() error {
	path := baselock.StateFile(s.dir)
	err := os.Remove(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		_, err = state.SetAside(path) // a directory that is not empty
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting the bases made on this machine: %w", err)
	}
	return nil
}
