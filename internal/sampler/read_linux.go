package sampler

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// readFile reads a file of the kernel's into buf, or a larger one.
func readFile(name string, buf []byte) ([]byte, error) {
	file, err := openPath(name)
	if err != nil {
		return nil, err
	}
	defer unix.Close(file)
	return readAgain(name, file, buf)
}

// openFiles are the files of a group by their names, or -1 for one that is not there. A dozen and more are read for
// each container each second, and to find and open one takes longer than to read it again. They are closed when the
// group is no longer in use.
type openFiles map[string]int

func newGroup() *Group {
	g := &Group{open: openFiles{}}
	runtime.AddCleanup(g, func(files openFiles) {
		for _, file := range files {
			if file >= 0 {
				_ = unix.Close(file)
			}
		}
	}, g.open)
	return g
}

// read reads a file from its beginning. One reading of a group at a time.
func (o openFiles) read(name string, buf []byte) ([]byte, error) {
	if o == nil {
		return readFile(name, buf)
	}
	file, known := o[name]
	if !known {
		var err error
		if file, err = openPath(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err // not for ever: there may be too many open files
		}
		o[name] = file
	}
	if file < 0 {
		return nil, os.ErrNotExist
	}
	return readAgain(name, file, buf)
}

func openPath(name string) (int, error) {
	file, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return file, nil
}

// readAgain reads an open file from its beginning.
func readAgain(name string, file int, buf []byte) ([]byte, error) {
	if buf = buf[:cap(buf)]; len(buf) == 0 {
		buf = make([]byte, 8<<10)
	}
	n := 0
	for {
		m, err := unix.Pread(file, buf[n:], int64(n))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: name, Err: err}
		case m == 0:
			return buf[:n], nil
		}
		if n += m; n < len(buf) {
			continue
		}
		if n >= largest {
			return nil, fmt.Errorf("%s has more than %d bytes", name, largest)
		}
		buf = append(buf, make([]byte, len(buf))...)
	}
}
