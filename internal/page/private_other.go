//go:build !unix

package page

import "io/fs"

// private is left to the directory, which is below the user's own.
func private(info fs.FileInfo) bool { return info.Mode().IsRegular() }
