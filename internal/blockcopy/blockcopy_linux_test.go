package blockcopy

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// files is a directory with a file below "d/[e]", and a set that has that one.
type files struct {
	t              *testing.T
	dir, to        string
	path, copyPath string
	set            *Set
}

func newFiles(t *testing.T, data []byte) *files {
	t.Helper()
	f := &files{t: t, dir: t.TempDir(), to: t.TempDir()}
	f.path, f.copyPath = filepath.Join(f.dir, "d", "[e]", "f"), filepath.Join(f.to, "v", "d", "[e]", "f")
	f.must(os.MkdirAll(filepath.Dir(f.path), 0o755))
	f.must(os.WriteFile(f.path, data, 0o640))
	f.set = New(f.to)
	f.must(f.set.Add("v", f.dir, "d/[e]/f"))
	t.Cleanup(func() {
		if err := f.set.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *files) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *files) same() {
	f.t.Helper()
	f.must(f.set.Update(f.t.Context()))
	want, err := os.ReadFile(f.path)
	f.must(err)
	got, err := os.ReadFile(f.copyPath)
	f.must(err)
	if !bytes.Equal(got, want) {
		f.t.Fatalf("the copy of %d bytes has %d, and others", len(want), len(got))
	}
}

// TestCopiesFollowTheirFiles changes a file in every way between two updates, and at random.
func TestCopiesFollowTheirFiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	data := make([]byte, 3*part+5)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	f := newFiles(t, data)
	f.same()
	write := func(at int64, text []byte) {
		file, err := os.OpenFile(f.path, os.O_WRONLY, 0)
		f.must(err)
		_, err = file.WriteAt(text, at)
		f.must(errors.Join(err, file.Close()))
	}
	for name, change := range map[string]func(){
		"one byte":             func() { write(part-1, []byte{data[part-1] + 1}) },
		"the last byte":        func() { write(3*part+4, []byte{data[3*part+4] + 1}) },
		"zeros over a block":   func() { write(2*block, make([]byte, block)) },
		"zeros after the end":  func() { write(3*part+5, make([]byte, 3*block)) },
		"a hole after the end": func() { f.must(os.Truncate(f.path, 5*part+1)) },
		"data in the hole":     func() { write(4*part, []byte("x")) },
		"shorter":              func() { f.must(os.Truncate(f.path, block+1)) },
		"empty":                func() { f.must(os.Truncate(f.path, 0)) },
		"replaced": func() {
			f.must(os.WriteFile(f.path+"2", data[:part], 0o600))
			f.must(os.Rename(f.path+"2", f.path))
		},
	} {
		change()
		t.Log(name)
		f.same()
	}
	for range 100 {
		switch random.IntN(4) {
		case 0:
			f.must(os.Truncate(f.path, random.Int64N(2*part)))
		case 1:
			write(random.Int64N(2*part), make([]byte, random.IntN(2*block)))
		default:
			write(random.Int64N(2*part), data[:random.IntN(2*block)])
		}
		f.same()
	}
}

// TestOnlyWhatDiffersIsWritten: blocks that are the same are not written again, nor holes at all.
func TestOnlyWhatDiffersIsWritten(t *testing.T) {
	f := newFiles(t, bytes.Repeat([]byte("x"), part))
	f.must(os.Truncate(f.path, 64*part))
	f.same()
	info, err := os.Stat(f.copyPath)
	f.must(err)
	if s := info.Sys().(*syscall.Stat_t); s.Blocks*512 > 2*part {
		t.Errorf("a file that is a hole takes %d bytes", s.Blocks*512)
	}
	f.must(os.WriteFile(f.copyPath, []byte("y"), 0o600)) // which the set does not know of
	f.must(f.set.Update(t.Context()))
	if text, err := os.ReadFile(f.copyPath); err != nil || text[0] != 'y' {
		t.Errorf("a block that has not changed was written: %v", err)
	}
}

// TestAttributesAreTheFilesAtTheLastUpdate: owner, mode, times and extended attributes of the file and of its
// directories.
func TestAttributesAreTheFilesAtTheLastUpdate(t *testing.T) {
	f := newFiles(t, []byte("text"))
	f.must(f.set.Update(t.Context()))
	at := time.Unix(1000, 1234)
	if os.Geteuid() == 0 {
		f.must(os.Chown(f.path, 5, 6))
	}
	f.must(unix.Chmod(f.path, 0o4751))
	noted := unix.Setxattr(f.path, "user.note", []byte("a\x00b"), 0) == nil
	f.must(os.Chmod(filepath.Dir(f.path), 0o711))
	for _, path := range []string{f.path, filepath.Dir(f.path), f.dir} {
		f.must(os.Chtimes(path, at, at))
	}
	f.must(f.set.Update(t.Context()))
	f.must(os.Chmod(f.path, 0o777)) // after the moment
	f.must(f.set.Finish())
	info, err := os.Stat(f.copyPath)
	f.must(err)
	s := info.Sys().(*syscall.Stat_t)
	if s.Mode&0o7777 != 0o4751 || !info.ModTime().Equal(at) || os.Geteuid() == 0 && (s.Uid != 5 || s.Gid != 6) {
		t.Errorf("the copy: %o, %d:%d, %s", s.Mode, s.Uid, s.Gid, info.ModTime())
	}
	value := make([]byte, 10)
	if n, err := unix.Getxattr(f.copyPath, "user.note", value); noted && (err != nil || string(value[:n]) != "a\x00b") {
		t.Errorf("its extended attribute: %q, %v", value[:max(n, 0)], err)
	}
	for path, mode := range map[string]os.FileMode{filepath.Dir(f.copyPath): 0o711, filepath.Join(f.to, "v"): 0o755} {
		info, err := os.Stat(path)
		f.must(err)
		if info.Mode().Perm() != mode || !info.ModTime().Equal(at) {
			t.Errorf("%s: %s, %s", path, info.Mode(), info.ModTime())
		}
	}
}

// TestFilesThatAreGone: the copy goes too, with the directories that are gone, and comes back with the file.
func TestFilesThatAreGone(t *testing.T) {
	f := newFiles(t, []byte("text"))
	f.same()
	f.must(os.Rename(filepath.Dir(f.path), f.dir+"/aside"))
	f.must(f.set.Update(t.Context()))
	f.must(os.Rename(f.dir+"/aside", filepath.Dir(f.path)))
	f.same()
	f.must(os.RemoveAll(filepath.Join(f.dir, "d")))
	f.must(f.set.Update(t.Context()))
	f.must(f.set.Finish())
	if left, err := os.ReadDir(f.to); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestWhatIsNoFileOfOneName is refused, when it is added and when it becomes such later.
func TestWhatIsNoFileOfOneName(t *testing.T) {
	for name, become := range map[string]func(f *files){
		"another name": func(f *files) { f.must(os.Link(f.path, f.dir+"/other")) },
		"a link": func(f *files) {
			f.must(errors.Join(os.Rename(f.path, f.path+"2"), os.Symlink("f2", f.path)))
		},
		"a pipe": func(f *files) { f.must(errors.Join(os.Remove(f.path), unix.Mkfifo(f.path, 0o600))) },
		"a directory": func(f *files) {
			f.must(errors.Join(os.Remove(f.path), os.Mkdir(f.path, 0o700)))
		},
		"below a link": func(f *files) {
			f.must(errors.Join(os.Rename(f.dir+"/d", f.dir+"/e"), os.Symlink("e", f.dir+"/d")))
		},
	} {
		f := newFiles(t, []byte("text"))
		become(f)
		if err := f.set.Update(t.Context()); !errors.Is(err, ErrOther) {
			t.Errorf("%s: %v", name, err)
		}
		if err := New(t.TempDir()).Add("v", f.dir, "d/[e]/f"); !errors.Is(err, ErrOther) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUpdateEndsWithItsContext at the latest after a part.
func TestUpdateEndsWithItsContext(t *testing.T) {
	f := newFiles(t, bytes.Repeat([]byte("x"), part))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("too long"))
	if err := f.set.Update(ctx); err == nil || !errors.Is(err, context.Cause(ctx)) {
		t.Error(err)
	}
}
