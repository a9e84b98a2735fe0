//go:build unix

package confined

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// everything lists what is below a directory.
func everything(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

func TestCreate(t *testing.T) {
	root := t.TempDir()
	for _, path := range []string{"secrets/a/token", filepath.Join(root, "b"), "./c"} {
		made, err := Create(root, path, []byte("x"), -1)
		if err != nil || !made {
			t.Errorf("%s: %v, %v", path, made, err)
		}
		if made, err = Create(root, path, []byte("y"), -1); err != nil || made {
			t.Errorf("%s, again: %v, %v", path, made, err)
		}
	}
	info, err := os.Stat(filepath.Join(root, "secrets", "a", "token"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if dir, err := os.Stat(filepath.Join(root, "secrets")); err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", dir, err)
	}
	if left := everything(t, root); strings.Contains(left, ".token.") {
		t.Errorf("left: %s", left)
	}
}

// Nothing is made outside of the project, by whatever way a Compose file and the links beside it lead there.
func TestNothingIsMadeOutside(t *testing.T) {
	for name, c := range map[string]struct {
		path string
		link [2]string // from what is in the project, to
		want error
	}{
		"upwards":              {"../outside/token", [2]string{}, ErrOutside},
		"absolute":             {"OUTSIDE/token", [2]string{}, ErrOutside},
		"upwards in the midst": {"a/../../outside/token", [2]string{}, ErrOutside},
		"itself":               {".", [2]string{}, ErrOutside},
		"a folder":             {"secrets/token", [2]string{"secrets", "../outside"}, ErrLink},
		"an absolute folder":   {"secrets/token", [2]string{"secrets", "OUTSIDE"}, ErrLink},
		"a folder of a folder": {"secrets/deep/token", [2]string{"secrets", "OUTSIDE"}, ErrLink},
		"the file":             {"token", [2]string{"token", "OUTSIDE/token"}, ErrLink},
		"the file, inside":     {"token", [2]string{"token", "other"}, ErrLink},
		"a loop":               {"loop/token", [2]string{"loop", "loop"}, ErrLink},
	} {
		base := t.TempDir()
		root, outside := filepath.Join(base, "project"), filepath.Join(base, "outside")
		if err := errors.Join(os.Mkdir(root, 0o700), os.Mkdir(outside, 0o700)); err != nil {
			t.Fatal(err)
		}
		if c.link[0] != "" {
			if err := os.Symlink(strings.Replace(c.link[1], "OUTSIDE", outside, 1),
				filepath.Join(root, c.link[0])); err != nil {
				t.Fatal(err)
			}
		}
		before := everything(t, base)
		made, err := Create(root, strings.Replace(c.path, "OUTSIDE", outside, 1), []byte("x"), -1)
		if made || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, made, err, c.want)
		}
		if after := everything(t, base); after != before {
			t.Errorf("%s: there is now\n%s", name, after)
		}
	}
	// A link that stays inside is one as docker compose follows it.
	root := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(root, "real"), 0o700),
		os.Symlink("real", filepath.Join(root, "secrets"))); err != nil {
		t.Fatal(err)
	}
	if made, err := Create(root, "secrets/token", []byte("x"), -1); err != nil || !made {
		t.Errorf("inside: %v, %v", made, err)
	}
}

// A folder that turns into a link between a look and a write leads nowhere.
func TestALinkThatAppearsMeanwhile(t *testing.T) {
	base := t.TempDir()
	root, outside := filepath.Join(base, "project"), filepath.Join(base, "outside")
	if err := errors.Join(os.Mkdir(root, 0o700), os.Mkdir(outside, 0o700)); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(root, "secrets")
	var stop atomic.Bool
	var swaps sync.WaitGroup
	swaps.Go(func() {
		for !stop.Load() {
			_ = os.Symlink(outside, folder)
			_ = os.Remove(folder)
			_ = os.Mkdir(folder, 0o700)
			_ = os.RemoveAll(folder)
		}
	})
	for range 3000 {
		_, _ = Create(root, "secrets/token", []byte("x"), -1)
	}
	stop.Store(true)
	swaps.Wait()
	if got := everything(t, outside); got != outside {
		t.Errorf("outside there is\n%s", got)
	}
}
