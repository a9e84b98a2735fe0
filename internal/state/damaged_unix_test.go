//go:build unix

package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shape is what one of our files may have.
type shape struct {
	Builder string `json:"builder"`
	PID     int    `json:"pid"`
}

// damages puts each of these at a path.
func damages(t *testing.T, path string) map[string]func() {
	t.Helper()
	put := func(text string) func() {
		return func() {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	do := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(t.TempDir(), "other")
	return map[string]func(){
		"empty":      put(""),
		"cut short":  put(`{"builder":"s3cr`),
		"garbage":    put("\x00\x01s3cr\xff\xfe"),
		"wrong type": put(`{"builder":["s3cr"],"pid":"s3cr"}`),
		"foreign":    put(`{"s3cr":"et"}`),
		"an array":   put(`["s3cr"]`),
		"null":       put(`null`),
		"text":       put("root:$6$s3cr:19000:0:99999:7:::\n"),
		"directory":  func() { do(os.Mkdir(path, 0o700)) },
		"pipe":       func() { do(syscall.Mkfifo(path, 0o600)) },
		"link":       func() { do(os.WriteFile(other, []byte("s3cr"), 0o600)); do(os.Symlink(other, path)) },
		"device":     func() { do(os.Symlink("/dev/zero", path)) },
		"link loop":  func() { do(os.Symlink(path, path)) },
		"huge":       func() { put("x")(); do(os.Truncate(path, mostBytes+1)) },
	}
}

// within fails where do takes longer than anything but a wait for a pipe.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: it hangs", what)
	}
}

func TestDamagedFilesAreNamedAndMadeRoomFor(t *testing.T) {
	for _, name := range []string{
		"empty", "cut short", "garbage", "wrong type", "foreign", "an array", "null", "text", "directory", "pipe",
		"link", "device", "link loop", "huge",
	} {
		path := filepath.Join(t.TempDir(), "state.json")
		make := damages(t, path)[name]
		make()
		within(t, name, func() {
			var damaged *Damaged
			if err := ReadJSON(path, &shape{}); !errors.As(err, &damaged) || !strings.Contains(err.Error(), path) ||
				strings.Contains(err.Error(), "s3cr") {
				t.Errorf("%s: got %v", name, err)
			}
			if err := Keep(path, []byte(`{"pid":1}`)); err != nil {
				t.Errorf("%s: it can't be replaced: %v", name, err)
			}
			var s shape
			if err := ReadJSON(path, &s); err != nil || s.PID != 1 {
				t.Errorf("%s: then %+v, %v", name, s, err)
			}
		})
	}
	if err := ReadJSON(filepath.Join(t.TempDir(), "no", "such"), &shape{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestSetAsideLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for range 3 {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := Keep(path, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if all, _ := filepath.Glob(path + ".damaged*"); len(all) != 3 {
		t.Errorf("got %v", all)
	}
}
