package baseimages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Made are the base images that the local registry (host:port) holds under Docker Hub's names, with their digests:
// where the Hub is away, those that setup made. One that can't be had is left out; without a registry there are none.
// It says what must not go into a project's lock; what a build may use is in this machine's lock file.
func Made(ctx context.Context, stateDir, address string) bases.Lock {
	digests := map[string]digest.Digest{}
	if address != "" {
		local := registry.Open(stateDir, address)
		for _, name := range Names {
			if d, err := local.Digest(ctx, name); err == nil && d != "" {
				digests[name] = d
			}
		}
	}
	made, err := bases.New(digests)
	if err != nil {
		return bases.Lock{} // never: the names are ours and the digests valid
	}
	return made
}

// Locked are the images that setup made on this machine, by the digests that it pushed itself. A damaged file holds
// none, and that is said: they are made anew, for nothing else says what they were.
func Locked(stateDir string, out *ui.Out) bases.Lock {
	locked, err := bases.Read(bases.StateFile(stateDir))
	if err != nil {
		out.Warn("%v: the base images are made anew", err)
		return bases.Lock{}
	}
	return locked
}

// Missing names the images that have to be made: the registry lacks them, or nobody knows what setup pushed. One that
// is another than the locked one is an error of code Registry: the lock is never brought up to date from what it is
// there to check. It goes by the registry's files, for the registry may be down.
func Missing(stateDir string, out *ui.Out) ([]string, error) {
	locked := Locked(stateDir, out)
	var missing []string
	for _, name := range Names {
		was, known := locked.Digest(name)
		is := registry.StoredDigest(stateDir, name)
		switch {
		case !known || is == "":
			missing = append(missing, name)
		case was != is:
			return nil, errOther(stateDir, name, was, is)
		}
	}
	return missing, nil
}

// errOther is the refusal of an image that somebody else has pushed.
func errOther(stateDir, name string, was, is digest.Digest) error {
	return fault.New(fault.Registry,
		"rm "+fault.Quote(bases.StateFile(stateDir))+", then go tool mage setup: it makes the base images anew",
		"the base image %q in the local registry is not the one that setup made: it was %s, it is %s", name, was, is)
}

// Lock writes down the digest of an image that setup has just pushed: no other machine's registry has that image, so
// the project's own file must not name it.
func Lock(stateDir, name string, pushed digest.Digest) error {
	one, err := bases.New(map[string]digest.Digest{name: pushed})
	if err != nil {
		return err
	}
	locked, err := bases.Read(bases.StateFile(stateDir))
	if err != nil {
		locked = bases.Lock{}
	}
	const head = "# The base images that setup made on this machine. Written by setup; they win over the project's " +
		"docker/bases.lock."
	return locked.Merge(one).Explained(head).Write(bases.StateFile(stateDir))
}

// Unlock forgets the images that were made while Docker Hub was away: with the Hub there, its images count.
func Unlock(stateDir string) error {
	path := bases.StateFile(stateDir)
	err := os.Remove(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		_, err = state.SetAside(path) // a directory that is not empty
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting the bases made on this machine: %w", err)
	}
	return nil
}
