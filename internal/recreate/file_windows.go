package recreate

import "io/fs"

// inode is not known: the engine's machine is a virtual one there, and mounts are not compared.
func inode(fs.FileInfo) string { return "" }
