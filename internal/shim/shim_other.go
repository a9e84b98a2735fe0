//go:build !linux

package shim

import (
	"context"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// Survives is not known here.
func Survives(*engine.Engine, moby.InspectResponse) bool { return false }

// End is for an engine on this machine, whose processes only Linux has.
func End(context.Context, *engine.Engine, moby.InspectResponse) (int, error) { return 0, ErrElsewhere }
