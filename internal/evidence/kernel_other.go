//go:build !linux

package evidence

import "github.com/25eloquence/compose-mage/internal/container"

// kernelLog is not to be read here: the engine's kernel is a virtual machine's.
func kernelLog() *container.KernelLog { return nil }
