//go:build !linux

package sampler

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// readFile reads a file of the kernel's into buf, or a larger one.
func readFile(name string, buf []byte) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if buf = buf[:cap(buf)]; len(buf) == 0 {
		buf = make([]byte, 8<<10)
	}
	n := 0
	for {
		m, err := f.Read(buf[n:])
		n += m
		switch {
		case errors.Is(err, io.EOF):
			return buf[:n], nil
		case err != nil:
			return nil, err
		case n < len(buf):
		case n >= largest:
			return nil, fmt.Errorf("%s has more than %d bytes", name, largest)
		default:
			buf = append(buf, make([]byte, len(buf))...)
		}
	}
}

// openFiles would keep files open from one reading to the next; here there are none to read again and again.
type openFiles struct{}

func newGroup() *Group { return &Group{} }

func (openFiles) read(name string, buf []byte) ([]byte, error) { return readFile(name, buf) }
