package bounded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// MaxFile is the most that is read of a file, in bytes: a Compose file, a Dockerfile or a list of variables has some kilobytes, and what
// is remembered of a build with 100,000 files some megabytes.
const MaxFile = 64 << 20

// pipeWithin is how long a pipe may take to be written and closed; a variable for tests.
var pipeWithin = 30 * time.Second

// ReadFile is os.ReadFile for a file that somebody else may have made: of at most MaxFile bytes. A pipe is read as long as its writer is
// at work, and not waited for in vain. Errors of its own are of code Config.
func ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.Unwrap(err)}
	}
	limit := Limit{What: fmt.Sprintf("%q", path), Bytes: MaxFile, Code: fault.Config, Next: fmt.Sprintf("ls -lL %q", path)}
	if info.Mode()&(fs.ModeNamedPipe|fs.ModeCharDevice|fs.ModeDevice) != 0 {
		return limit.pipe(path)
	}
	if info.Size() > MaxFile {
		return nil, limit.tooLarge()
	}
	// Without O_NONBLOCK a pipe that took the file's place since would hold us up.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return limit.ReadAll(f)
}

// errSilent is in the error of a pipe that gives nothing.
var errSilent = errors.New("it is a pipe or a device")

// pipe reads what has no size. Neither its opening nor a read can be called off, so where nothing comes they are left behind.
func (l Limit) pipe(path string) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		f, err := os.Open(path)
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer f.Close()
		data, err := l.ReadAll(f)
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-time.After(pipeWithin):
		return nil, fault.New(l.Code, l.Next, "reading %s: %w, and was not written and closed within %s", l.What, errSilent, pipeWithin)
	}
}

// CheckFile says what is wrong with a file that a library will read whole: longer than MaxFile, or a device without an end. It says nothing
// of one that is not there.
func CheckFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return nil //nolint:nilerr // the library says so
	}
	limit := Limit{What: fmt.Sprintf("%q", path), Bytes: MaxFile, Code: fault.Config, Next: fmt.Sprintf("ls -lL %q", path)}
	switch null, _ := os.Stat(os.DevNull); {
	case info.Mode().IsRegular() && info.Size() > MaxFile:
		return limit.tooLarge()
	case info.Mode()&fs.ModeDevice != 0 && (null == nil || !os.SameFile(info, null)):
		return fault.New(limit.Code, limit.Next, "reading %s: it is a device, not a file", limit.What)
	}
	return nil
}

// IsPipe says whether the file is a named pipe, which may never be written.
func IsPipe(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&fs.ModeNamedPipe != 0
}
