//go:build !linux

package engine

// openFiles is not known where the engine runs in a virtual machine.
func openFiles(string) int64 { return 0 }
