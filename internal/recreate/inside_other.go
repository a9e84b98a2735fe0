//go:build !linux

package recreate

import (
	"errors"
	"os"

	"github.com/25eloquence/compose-mage/internal/container"
)

// openInside is not there where the engine runs in a virtual machine.
func openInside(container.Replica, string) (*os.File, error) { return nil, errors.ErrUnsupported }
