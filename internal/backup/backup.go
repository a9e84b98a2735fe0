// Package backup owns saving a project's volumes so that they can be restored: which volumes are saved, how what is
// read of them is of one moment, and the snapshot that has them with the project's own files. It saves through
// package restic, and never writes to a volume.
package backup
