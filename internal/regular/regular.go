// Package regular reads files at paths that somebody else may have chosen: regular ones of a bounded size alone, so
// that a pipe is not waited for and a device not read without end. The package knows nothing of what is in the files.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// within is how long a file of the kernel's that has nothing to read yet (/proc/kmsg) is waited for.
const within = 2 * time.Second

// Refusal is a file that is not read.
type Refusal struct {
	Path string
	Why  string // "is a pipe, which is not read"
	Dir  bool   // it is a directory
}

// Error names the file and says what it is.
func (r *Refusal) Error() string { return fmt.Sprintf("%q %s", r.Path, r.Why) }

// Read reads the file at path, also through links. The error is the operating system's, or a *Refusal: of what is no
// regular file, and of a file that has more than most bytes.
func Read(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, asOpen(err)
	case !info.Mode().IsRegular():
		return nil, &Refusal{Path: path, Why: "is a " + kind(info.Mode()) + ", which is not read", Dir: info.IsDir()}
	case info.Size() > most:
		return nil, tooLarge(path, most)
	}
	file, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0) // it may be a pipe by now
	if err != nil {
		return nil, err
	}
	defer file.Close()
	_ = file.SetReadDeadline(time.Now().Add(within)) // a regular file needs none, and has none
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	switch {
	case os.IsTimeout(err), wouldBlock(err):
		return nil, &Refusal{Path: path, Why: "has nothing to read yet"}
	case err != nil:
		return nil, err
	case int64(len(data)) > most:
		return nil, tooLarge(path, most)
	}
	return data, nil
}

// asOpen gives the error of a look at a file as that of opening it, as whoever reads the file expects.
func asOpen(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return &fs.PathError{Op: "open", Path: path.Path, Err: path.Err}
	}
	return err
}

func tooLarge(path string, most int64) error {
	return &Refusal{Path: path, Why: fmt.Sprintf("is larger than the %d KiB that are read", most>>10)}
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "directory"
	case mode&fs.ModeNamedPipe != 0:
		return "pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// SameFile says whether two paths name one file or directory, links followed: /var/run is /run on most machines.
func SameFile(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// Open opens the regular file at path for reading, also through links. The error is the operating system's, or a
// *Refusal of what is no regular file.
func Open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, asOpen(err)
	}
	if !info.Mode().IsRegular() {
		return nil, &Refusal{Path: path, Why: "is a " + kind(info.Mode()) + ", which is not read", Dir: info.IsDir()}
	}
	file, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	if info, err = file.Stat(); err != nil || !info.Mode().IsRegular() { // it is another one by now
		_ = file.Close()
		return nil, &Refusal{Path: path, Why: "is no regular file any longer"}
	}
	return file, nil
}
