//go:build unix

package provision

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestNewSecretsBelongToTheContainersUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets", "one")
	if made, err := writeSecret(path, "x"); err != nil || !made {
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
