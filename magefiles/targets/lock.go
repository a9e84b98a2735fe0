package targets

import (
	"context"

	"github.com/25eloquence/compose-mage/stack"
)

// Lock updates docker/bases.lock to the registry's digests.
//
// Builds take the base images of the Dockerfiles by these digests, without asking the registry. It prints what changed;
// commit the file. Bases that setup made on this machine are left as they are. BASES_LOCK names another file.
func Lock(ctx context.Context,
	check *bool, // write nothing, and fail where something would change
) error {
	collectLess()
	_, err := stack.LockBases(ctx, stack.LockOptions{Check: value(check, false)})
	return err
}
