//go:build !linux

package restore

// digHoles does nothing: on this system the volumes are a virtual machine's.
func digHoles(string) error { return nil }
