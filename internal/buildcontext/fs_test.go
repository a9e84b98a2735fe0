//go:build !windows

package buildcontext

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/continuity/sysx"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// transferred is what BuildKit's file sync sends of a directory when its frontend asks by opt, a line per path.
func transferred(t *testing.T, dir fsutil.FS, opt fsutil.FilterOpt) []string {
	t.Helper()
	filtered, err := fsutil.NewFilterFS(dir, &opt)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	err = filtered.Walk(context.Background(), "/", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*types.Stat)
		var attrs []string
		for _, key := range slices.Sorted(maps.Keys(st.Xattrs)) {
			attrs = append(attrs, fmt.Sprintf("%s=%s", key, st.Xattrs[key]))
		}
		out = append(out,
			fmt.Sprintf("%s %s %o %d %d %q %q", path, st.Path, st.Mode, st.Size, st.ModTime, st.Linkname, attrs))
		return nil
	})
	if err != nil {
		out = append(out, err.Error())
	}
	return out
}

// surveyOf takes the survey of dir and gives the directory that it stands in for.
func surveyOf(t *testing.T, dir string, patterns []string) (*Survey, fsutil.FS) {
	t.Helper()
	s, err := Take(t.Context(), dir, patterns)
	if err != nil {
		t.Fatal(err)
	}
	found, err := Surveyed(dir, func() *Survey { return &s })
	if err != nil {
		t.Fatal(err)
	}
	return &s, found
}

// TestSurveyedIsWhatAWalkSends asks a surveyed directory and the disk for the same files, by random patterns.
func TestSurveyedIsWhatAWalkSends(t *testing.T) {
	dir := forest(t)
	if err := os.Remove(filepath.Join(dir, "b", "second")); err != nil {
		t.Fatal(err)
	}
	if err := sysx.LSetxattr(filepath.Join(dir, "a.go"), "user.kind", []byte("blue"), 0); err != nil {
		t.Logf("extended attributes are not compared: %v", err)
	}
	disk, err := fsutil.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	some := func(from []string) (out []string) {
		for range r.IntN(4) {
			out = append(out, from[r.IntN(len(from))])
		}
		return out
	}
	for range 500 {
		excluded := some([]string{
			"a", "!a/b", "**/*.go", "*", "!b", "!**/c", "**/.env*", "x/y", "loop", "!e", "ba",
			"!x/**/w.tmp",
		})
		opt := fsutil.FilterOpt{
			ExcludePatterns: excluded, IncludePatterns: some([]string{"a", "b/a", "x/*/z", "**/*.go", "e"}),
			FollowPaths: some([]string{"a/self", "up", "dangling", "loop", "a/b/c", "x/y/*"}),
		}
		survey, found := surveyOf(t, dir, excluded)
		if survey.special {
			t.Fatal("the survey is not used at all")
		}
		if got, want := transferred(t, found, opt), transferred(t, disk, opt); !slices.Equal(got, want) {
			t.Fatalf("%+v\ngot\n  %s\nwant\n  %s", opt, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
}

// TestSurveyedWalksTheDiskAgain changes a directory after it was surveyed: a survey that is old, or that does not say
// everything about a file, is not used.
func TestSurveyedWalksTheDiskAgain(t *testing.T) {
	for name, c := range map[string]struct {
		odd func(dir string) error
		age time.Duration
		old bool
	}{
		"fresh": {},
		"old":   {age: Fresh + time.Second, old: true},
		"a second name": {odd: func(dir string) error {
			return os.Link(filepath.Join(dir, "a"),
				filepath.Join(dir, "b"))
		}, old: true},
		"a pipe": {odd: func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "p"), 0o644) }, old: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{"a": "1", "gone": "2"})
			if c.odd != nil {
				if err := c.odd(dir); err != nil {
					t.Fatal(err)
				}
			}
			survey, found := surveyOf(t, dir, nil)
			survey.taken = survey.taken.Add(-c.age)
			write(t, dir, map[string]string{"new": "3"})
			if err := os.Remove(filepath.Join(dir, "gone")); err != nil {
				t.Fatal(err)
			}
			got := strings.Join(transferred(t, found, fsutil.FilterOpt{}), "\n")
			if strings.Contains(got, "new") != c.old || strings.Contains(got, "gone") {
				t.Errorf("sent:\n%s", got)
			}
		})
	}
}

// TestSurveyedSkips returns SkipDir and SkipAll, at a directory and at a file, from both walks.
func TestSurveyedSkips(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a/1": "", "a/2": "", "a/b/3": "", "a/c": "", "d": "", "e/4": ""})
	_, found := surveyOf(t, dir, nil)
	disk, err := fsutil.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at   string
		with error
	}{
		{"a", filepath.SkipDir},
		{"a/b", filepath.SkipDir},
		{"a/1", filepath.SkipDir},
		{"d", filepath.SkipDir},
		{"a/c", filepath.SkipAll},
		{"d", fs.ErrInvalid},
	} {
		var walked [2][]string
		for i, from := range []fsutil.FS{found, disk} {
			err := from.Walk(t.Context(), "", func(path string, _ fs.DirEntry, _ error) error {
				walked[i] = append(walked[i], path)
				if path == filepath.FromSlash(c.at) {
					return c.with
				}
				return nil
			})
			walked[i] = append(walked[i], fmt.Sprint(err))
		}
		if !slices.Equal(walked[0], walked[1]) {
			t.Errorf("%v at %q: %q, and of the disk %q", c.with, c.at, walked[0], walked[1])
		}
	}
}
