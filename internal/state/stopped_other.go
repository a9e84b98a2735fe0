//go:build !linux

package state

// stopped is not known here.
func stopped(int) bool { return false }
