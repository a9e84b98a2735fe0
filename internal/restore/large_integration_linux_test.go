//go:build integration

package restore

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// largeName has what means something in a pattern.
const largeName = "odd [d]*/log?"

// TestIntegrationLargeFilesAreOfTheSameMoment: a large file that is written to all the time is copied, and saved once
// the service goes on. It comes back in its place, of the same moment as the file that restic reads while the service
// stands still, with its owner, mode and attributes, and those of its directory.
func TestIntegrationLargeFilesAreOfTheSameMoment(t *testing.T) {
	f := newFixture(t, writer)
	f.write("secrets/token", "hush")
	image := f.name + ":latest"
	enginetest.Image(t, f.engine, image, nil)
	large, start := filepath.Join(f.volume("first"), largeName), 1_200_000
	small := filepath.Join(f.volume("second"), "log")
	f.must(os.Mkdir(filepath.Dir(large), 0o750))
	f.must(os.Chown(filepath.Dir(large), 7, 8))
	var text bytes.Buffer
	for n := range start {
		text.WriteString(strconv.Itoa(n+1) + "\n")
	}
	f.must(os.WriteFile(large, text.Bytes(), 0o640))
	f.must(os.WriteFile(large+"-still", text.Bytes(), 0o640)) // which nobody writes to
	f.must(unix.Setxattr(large, "user.note", []byte("x"), 0))
	f.run("writer", image, []string{"append", "/first/" + largeName, "/second/log", "500"}, nil, "first", "second")
	for range count(t, "BACKUPS", 1) {
		before := lastNumber(t, small)
		b := f.backup()
		if !strings.Contains(f.out.String(), "saving the copies of large files") {
			t.Fatalf("no large file was copied:\n%s", f.out.String())
		}
		r := f.restore(Options{At: b.Snapshot})
		first, second := filepath.Join(f.path(r.Volumes[0].Name), largeName), f.path(r.Volumes[1].Name)
		one, two := f.numbers(first), lastNumber(t, filepath.Join(second, "log"))
		t.Logf("frozen %.2fs, %d and %d numbers of at least %d", b.Frozen, one, two, before)
		if one <= before || two != one && two != one-1 {
			t.Errorf("%d numbers in the first volume, %d in the second; %d were written before", one, two, before)
		}
		f.sameAttributes(filepath.Dir(large), filepath.Dir(first))
		f.sameAttributes(large, first)
		if n := f.numbers(first + "-still"); n != start {
			t.Errorf("the file that nobody writes to has %d numbers", n)
		}
		f.extractsLarge(b.Snapshot)
		for _, v := range r.Volumes {
			_, err := f.engine.VolumeRemove(t.Context(), v.Name, client.VolumeRemoveOptions{})
			f.must(err)
		}
	}
	if left, err := os.ReadDir(f.dir); err != nil || len(left) != 2 {
		t.Errorf("the project's directory: %v, %v", left, err)
	}
}

// lastNumber is that of a file's last whole line; 0 where there is none.
func lastNumber(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	whole := string(text[:bytes.LastIndexByte(text, '\n')+1])
	lines := strings.Fields(whole[strings.LastIndexByte(strings.TrimSuffix(whole, "\n"), '\n')+1:])
	if len(lines) == 0 {
		return 0
	}
	n, err := strconv.Atoi(lines[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (f *fixture) sameAttributes(one, other string) {
	f.t.Helper()
	describe := func(path string) string {
		info, err := os.Stat(path)
		f.must(err)
		s, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			f.t.Fatalf("%q: no owner", path)
		}
		return fmt.Sprintf("%s %d:%d%s", info.Mode(), s.Uid, s.Gid, f.attributes(path))
	}
	if a, b := describe(one), describe(other); a != b {
		f.t.Errorf("%s came back as %s", a, b)
	}
}

// extractsLarge has the large file's directory written out alone.
func (f *fixture) extractsLarge(snapshot string) {
	f.t.Helper()
	dir, name := f.t.TempDir(), filepath.Dir(largeName)
	made, err := Extract(f.t.Context(), Options{
		At: snapshot, Project: f.name, Target: f.target(), Out: ui.New(&f.out),
	}, []string{"first:" + name}, dir)
	f.must(err)
	if want := filepath.Join(dir, snapshots.VolumesDir, "first", name); len(made) != 1 || made[0] != want {
		f.t.Fatalf("made %v, want %s", made, want)
	}
	if f.numbers(filepath.Join(made[0], filepath.Base(largeName))) == 0 {
		f.t.Error("the large file is empty")
	}
	if _, err := os.Stat(filepath.Join(dir, snapshots.LargeDir)); !os.IsNotExist(err) {
		f.t.Errorf("a second directory is left: %v", err)
	}
}
