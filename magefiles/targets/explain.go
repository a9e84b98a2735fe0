package targets

import (
	"context"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack"
)

// Explain says which build steps ran again, or would, and why.
//
// For each image: what its last build on this machine did, then what has changed since. Nothing is built, and no
// registry is asked.
func Explain(ctx context.Context,
	services *string, // comma-separated services; all by default
) error {
	return fault.Exit(ctx, explain(ctx, services))
}

func explain(ctx context.Context, services *string) error {
	named, err := names(services)
	if err != nil {
		return err
	}
	s, err := open(ctx)
	if err != nil {
		return err
	}
	_, err = s.Explain(ctx, stack.ExplainOptions{Services: named})
	return err
}
