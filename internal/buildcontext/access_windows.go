package buildcontext

import (
	"io/fs"
	"os"
)

// fileID tells files apart that have several names.
type fileID struct{}

// identity finds no second names here: fsutil doesn't look for them on Windows either.
func identity(fs.FileInfo) (fileID, bool) { return fileID{}, false }

// Identity changes where another directory takes a directory's path; "" where the system doesn't tell, as here.
func Identity(string) string { return "" }

// readable says why this process can't read a file; nil where it can.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}
