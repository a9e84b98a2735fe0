package fix

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAttributesStay(t *testing.T) {
	p := newProject(t, map[string]string{"compose.yaml": web})
	path := filepath.Join(p.dir, "compose.yaml")
	// An access list of version 2: the owner may write; user 1234, the group and others may read.
	list := []byte{
		2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 210, 4, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255,
		16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255,
	}
	kept := 0
	for name, value := range map[string][]byte{"user.mine": []byte("x"), "system.posix_acl_access": list} {
		if unix.Setxattr(path, name, value, 0) == nil {
			kept++
		}
	}
	if kept == 0 {
		t.Skip("the file system has no attributes")
	}
	p.fixed()
	if p.read("compose.yaml") != restarted {
		t.Error(p.read("compose.yaml"))
	}
	for _, name := range []string{"user.mine", "system.posix_acl_access"} {
		if n, err := unix.Getxattr(path, name, make([]byte, 100)); err == nil && n > 0 {
			kept--
		}
	}
	if kept > 0 {
		t.Errorf("%d are gone", kept)
	}
}
