//go:build !linux

package engine

// SharesNetwork is false where the engine runs in a virtual machine.
func (e *Engine) SharesNetwork() bool { return false }
