//go:build !linux

package rig

import "errors"

// Listener is what Linux alone can tell.
func Listener(string) (int, error) {
	return 0, errors.New("only Linux tells which process listens on a socket")
}
