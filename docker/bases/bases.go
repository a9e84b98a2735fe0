// Package bases owns the recipes of the base images that setup makes where Docker Hub cannot be reached. They are
// embedded, so that a module which imports the targets has them too.
package bases

import "embed"

// Files holds debian-rootfs.sh, debian.Dockerfile and golang.Dockerfile.
//
//go:embed debian-rootfs.sh *.Dockerfile
var Files embed.FS
