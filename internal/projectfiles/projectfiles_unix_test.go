//go:build unix

package projectfiles

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
)

func TestNewSecretsBelongToTheContainersUser(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "secrets", "one")
	if made, err := (secret{path: path, template: "x"}).write(root); err != nil || !made {
		t.Fatalf("got %v, %v", made, err)
	}
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil || folder.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v, want mode 700", folder.Mode(), err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	want := os.Geteuid()
	if want == 0 {
		want = ContainerUID
	}
	if got := int(info.Sys().(*syscall.Stat_t).Uid); got != want {
		t.Errorf("owner %d, want %d", got, want)
	}
}

// A Compose file of somebody else's names a secret outside of the project, or has a link in its folder: nothing is
// made there.
func TestSecretsAreMadeInTheProjectOnly(t *testing.T) {
	base := t.TempDir()
	dir, victim := filepath.Join(base, "project"), filepath.Join(base, "victim")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Mkdir(victim, 0o700),
		os.Symlink(victim, filepath.Join(dir, "linked")),
		os.Symlink(filepath.Join(victim, "authorized_keys"), filepath.Join(dir, "dangling"))); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(victim, "x"), "../victim/x", "linked/x", "linked/deep/x", "dangling"} {
		p := project(dir, "one")
		p.WorkingDir = dir
		p.Secrets["one"] = types.SecretConfig{File: path, Extensions: generated("ssh-rsa {hex:8}")}
		err := ensure(p)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Config || !strings.Contains(f.Next, "yourself") {
			t.Errorf("%s: got %v", path, err)
		}
	}
	if left, _ := os.ReadDir(victim); len(left) > 0 {
		t.Errorf("made outside: %v", left)
	}
}
