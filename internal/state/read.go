package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"syscall"
)

// mostBytes is the largest file that is read: far above the record of a build context with a million files.
const mostBytes = 512 << 20

// Damaged is a file of the state directory that no run of ours can have left so. The error's text has nothing of the
// file's content.
type Damaged struct {
	Path string
	Why  string // "is empty"
	Err  error  // of the operating system; nil where the content is the matter
}

// Error names the file and what is wrong with it.
func (d *Damaged) Error() string { return fmt.Sprintf("%q %s", d.Path, d.Why) }

// Unwrap gives the operating system's error.
func (d *Damaged) Unwrap() error { return d.Err }

// ReadFile reads a file of the state directory, also through a link to a file. The error is fs.ErrNotExist where
// there is none, else a *Damaged: what is no file, such as a pipe that nobody writes to, is not waited for, and what
// is too large for any of ours is not read.
func ReadFile(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, &Damaged{path, unreadable(err), err}
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, &Damaged{path, unreadable(err), err}
	case !info.Mode().IsRegular():
		return nil, &Damaged{Path: path, Why: "is " + kind(info.Mode()) + " and no file"}
	case info.Size() > mostBytes:
		return nil, &Damaged{Path: path, Why: "is too large to be one of ours"}
	}
	data, err := io.ReadAll(io.LimitReader(file, mostBytes))
	if err != nil {
		return nil, &Damaged{path, unreadable(err), err}
	}
	return data, nil
}

// ReadJSON reads a file of the state directory into what its writer encoded; into is a pointer. Its errors are
// ReadFile's, and a *Damaged for what is no such value: a file that ends too early, another program's, one of another
// type. into may be changed then.
func ReadJSON(path string, into any) error {
	data, err := ReadFile(path)
	if err != nil {
		return err
	}
	if why := misfit(data, into); why != "" {
		return &Damaged{Path: path, Why: why}
	}
	return nil
}

// misfit decodes data, and says what is wrong with it without a word of it; "" where nothing is.
func misfit(data []byte, into any) string {
	data = bytes.TrimSpace(data)
	var syntax *json.SyntaxError
	var other *json.UnmarshalTypeError
	switch err := json.Unmarshal(data, into); {
	case len(data) == 0:
		return "is empty"
	case errors.As(err, &syntax):
		return fmt.Sprintf("is not JSON, or only its beginning (byte %d)", syntax.Offset)
	case errors.As(err, &other):
		return strings.TrimSuffix("has another type of value than ours at "+other.Field, " at ")
	case err != nil:
		return "is not one of ours"
	case string(data) == "null", foreign(data, into):
		return "is another program's: it has none of our keys"
	}
	return ""
}

// foreign says whether data is an object that has none of the keys of the structure that into points to.
func foreign(data []byte, into any) bool {
	shape := reflect.TypeOf(into).Elem()
	var keys map[string]json.RawMessage
	if shape.Kind() != reflect.Struct || json.Unmarshal(data, &keys) != nil || len(keys) == 0 {
		return false
	}
	for i := range shape.NumField() {
		name, _, _ := strings.Cut(shape.Field(i).Tag.Get("json"), ",")
		if name == "" {
			name = shape.Field(i).Name
		}
		if _, ok := keys[name]; ok {
			return false
		}
	}
	return true
}

// SetAside renames the file at path, so that a new file can take its place, and gives the new name. Nothing is
// deleted: the file may be somebody's, and can be looked at.
func SetAside(path string) (string, error) {
	for n := range 1000 {
		to := path + ".damaged"
		if n > 0 {
			to = fmt.Sprintf("%s-%d", to, n)
		}
		if _, err := os.Lstat(to); err == nil {
			continue
		}
		return to, os.Rename(path, to)
	}
	return "", fmt.Errorf("setting %q aside: there are a thousand of it", path)
}

// unreadable puts an error of the operating system into words.
func unreadable(err error) string {
	var cause syscall.Errno
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "can't be read: permission denied; it may be another user's"
	case errors.As(err, &cause):
		return "can't be read: " + cause.Error()
	}
	return "can't be read"
}

// kind names the type of what is no regular file.
func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSymlink != 0:
		return "a link"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}
