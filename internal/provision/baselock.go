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
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/state"
)

// MadeBases are the base images that the local registry (host:port) holds under Docker Hub's names, with their digests:
// where the Hub is away, those that setup made. One that can't be had is left out; without a registry there are none.
// It says what must not go into a project's lock; what a build may use is in this machine's lock file.
func MadeBases(ctx context.Context, stateDir, address string) baselock.Lock {
	digests := map[string]digest.Digest{}
	if address != "" {
		local := registry.Open(stateDir, address)
		for _, name := range baseNames {
			if d, err := local.Digest(ctx, name); err == nil && d != "" {
				digests[name] = d
			}
		}
	}
	made, err := baselock.New(digests)
	if err != nil {
		return baselock.Lock{} // never: the names are ours and the digests valid
	}
	return made
}

// lockedBases are those that setup made on this machine, by the digests that it pushed itself. A damaged file holds none: they are
// made anew, for nothing else says what they were.
func (s *setup) lockedBases() baselock.Lock {
	locked, err := baselock.Read(baselock.StateFile(s.dir))
	if err != nil {
		s.out.Warn("%v: the base images are made anew", err)
		return baselock.Lock{}
	}
	return locked
}

// missingBases names the bases that have to be made: the registry lacks them, or nobody knows what setup pushed. One that is another
// than the locked one is an error of code Registry: the lock is never brought up to date from what it is there to check.
func (s *setup) missingBases() ([]string, error) {
	locked := s.lockedBases()
	var missing []string
	for _, name := range baseNames {
		was, known := locked.Digest(name)
		is := s.storedDigest(name)
		switch {
		case !known || is == "":
			missing = append(missing, name)
		case was != is:
			return nil, otherBase(s.dir, name, was, is)
		}
	}
	return missing, nil
}

// otherBase is the refusal of a base that somebody else has pushed.
func otherBase(dir, name string, was, is digest.Digest) error {
	return fault.New(fault.Registry, "rm "+fault.Quote(baselock.StateFile(dir))+", then go tool mage setup: it makes the base images anew",
		"the base image %q in the local registry is not the one that setup made: it was %s, it is %s", name, was, is)
}

// lockBase writes down the digest of a base that setup has just pushed: no other machine's registry has it, so the project's own
// file must not.
func (s *setup) lockBase(name string, pushed digest.Digest) error {
	one, err := baselock.New(map[string]digest.Digest{name: pushed})
	if err != nil {
		return err
	}
	locked, err := baselock.Read(baselock.StateFile(s.dir))
	if err != nil {
		locked = baselock.Lock{}
	}
	return locked.Merge(one).
		Explained("# The base images that setup made on this machine. Written by setup; they win over the project's docker/bases.lock.").
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
