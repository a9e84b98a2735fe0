//go:build integration

package restore

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestIntegrationOddFiles saves a tree of BACKUP_FILES files of every kind, loses the volume, and has it back byte for
// byte, with owners, modes, times, extended attributes, ACLs, hard links and holes.
func TestIntegrationOddFiles(t *testing.T) {
	f := newFixture(t, "services: {a: {image: a, volumes: ['data:/data']}}\nvolumes: {data: {}}\n")
	dir := f.volume("data")
	f.must(os.Chmod(dir, 0o2775))
	f.must(os.Chown(dir, 10001, 10001))
	f.odd(dir, count(t, "BACKUP_FILES", 1000))
	want := f.listing(dir)
	f.backup()
	f.removeVolumes()
	f.restore(Options{})
	dir = f.path(f.name + "_data")
	got := f.listing(dir)
	different := 0
	for path := range maps.Keys(want) {
		if got[path] != want[path] {
			if different++; different < 10 {
				t.Errorf("%q:\n got  %s\n want %s", path, got[path], want[path])
			}
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d things came back of %d", len(got), len(want))
	}
	info, err := os.Stat(filepath.Join(dir, "hole"))
	f.must(err)
	if s, ok := info.Sys().(*syscall.Stat_t); !ok || s.Blocks*512 > 4<<20 {
		t.Errorf("the file with a hole takes %d bytes of the disk", s.Blocks*512)
	}
}

// odd makes things of every kind in a directory.
func (f *fixture) odd(dir string, files int) {
	at := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	names := []string{
		"plain", " space ", "new\nline", "tab\there", "quote'\"", "ünïcødé", "\xff\xfe not UTF-8", "*", "[a]", "?",
		`back\slash`, "-dash", strings.Repeat("n", 255), ".hidden",
	}
	for i := range files {
		name := fmt.Sprintf("%d-%s", i, names[i%len(names)])
		name = name[:min(len(name), 255)]
		if i < len(names) {
			name = names[i]
		}
		below := filepath.Join(dir, fmt.Sprintf("d%d", i%20))
		f.must(os.MkdirAll(below, 0o755))
		path := filepath.Join(below, name)
		f.must(os.WriteFile(path, []byte(strings.Repeat(name, i%50)), 0o600))
		f.must(os.Chown(path, i%70000, i%3))
		f.must(os.Chmod(path, []fs.FileMode{0o600, 0o644, 0, 0o777, 0o4755, 0o1666}[i%6]&0o777|modeBits(i%6)))
		f.must(os.Chtimes(path, at, at.Add(time.Duration(i)*time.Second)))
	}
	f.must(os.Link(filepath.Join(dir, "d0", "plain"), filepath.Join(dir, "linked")))
	f.must(os.Symlink("/nowhere\n", filepath.Join(dir, "dangling")))
	f.must(os.Lchown(filepath.Join(dir, "dangling"), 5, 6))
	f.must(unix.Mkfifo(filepath.Join(dir, "pipe"), 0o640))
	f.must(os.Mkdir(filepath.Join(dir, "empty"), 0o1777))
	f.must(os.WriteFile(filepath.Join(dir, "zero"), nil, 0o644))
	f.must(unix.Setxattr(filepath.Join(dir, "zero"), "user.note", []byte("x\x00y"), 0))
	// An ACL, as the kernel keeps it: user 1000 may read and write.
	acl := "\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x02\x00\x06\x00\xe8\x03\x00\x00\x04\x00\x04\x00" +
		"\xff\xff\xff\xff\x10\x00\x06\x00\xff\xff\xff\xff\x20\x00\x04\x00\xff\xff\xff\xff"
	f.must(unix.Setxattr(filepath.Join(dir, "zero"), "system.posix_acl_access", []byte(acl), 0))
	hole, err := os.Create(filepath.Join(dir, "hole"))
	f.must(err)
	_, err = hole.WriteAt([]byte("end"), 64<<20)
	f.must(err)
	f.must(hole.Close())
	f.must(os.Chtimes(hole.Name(), at, at))
}

// modeBits are the bits of a mode beside those of permissions, as Go spells them.
func modeBits(i int) fs.FileMode { return []fs.FileMode{4: fs.ModeSetuid, 5: fs.ModeSticky}[min(i, 5)] }

// listing has all that is to come back of each path below a directory.
func (f *fixture) listing(dir string) map[string]string {
	f.t.Helper()
	out := map[string]string{}
	inodes := map[uint64]string{}
	f.must(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		s, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("%q: no inode", path)
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s %d:%d %d bytes, %s", info.Mode(), s.Uid, s.Gid, info.Size(), info.ModTime().UTC())
		if d.IsDir() {
			text = fmt.Sprintf("%s %d:%d", info.Mode(), s.Uid, s.Gid)
		}
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %x", sha256.Sum256(data))
			if first := inodes[s.Ino]; first != "" {
				text += " is " + first
			}
			inodes[s.Ino] = rel
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + to
		}
		out[rel] = text + f.attributes(path)
		return nil
	}))
	return out
}

// attributes are the extended attributes of a path, ACLs among them.
func (f *fixture) attributes(path string) string {
	names := make([]byte, 4096)
	n, err := unix.Llistxattr(path, names)
	if err != nil || n == 0 {
		return ""
	}
	all := strings.Split(strings.TrimRight(string(names[:n]), "\x00"), "\x00")
	slices.Sort(all)
	text := ""
	for _, name := range all {
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(path, name, value)
		f.must(err)
		text += fmt.Sprintf(" %s=%q", name, value[:n])
	}
	return text
}
