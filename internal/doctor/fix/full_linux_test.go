package fix

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// apart says that this test's program has namespaces of its own.
const apart = "FIX_TEST_APART"

// inNamespaces runs a test again with a user and file systems of its own, and says whether this is that run.
func inNamespaces(t *testing.T) bool {
	t.Helper()
	if os.Getenv(apart) != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), apart+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch {
	case strings.Contains(string(out), "no file system of its own"), cmd.ProcessState == nil:
		t.Skipf("this machine gives a test no file system of its own: %v", err)
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// On a full disk the file stays as it was, and nothing is left beside it.
func TestAFullDisk(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("no file system of its own: %v", err)
	}
	defer func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }()
	p := newProject(t, nil)
	p.dir = dir
	p.write("compose.yaml", web)
	r := p.plan()
	file, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	_ = file.Close()
	var f *fault.Error
	if err := r.WriteFiles(t.Context()); !errors.As(err, &f) || f.Code != fault.Resources {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 || p.read("compose.yaml") != web {
		t.Errorf("left %s\n%s", left, p.read("compose.yaml"))
	}
}

// A directory in which nothing can be made, as of another user's or of a file system that is read-only.
func TestADirectoryThatIsReadOnly(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("no file system of its own: %v", err)
	}
	defer func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }()
	p := newProject(t, nil)
	p.dir = dir
	p.write("compose.yaml", web)
	r := p.plan()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatalf("no file system of its own: %v", err)
	}
	var f *fault.Error
	if err := r.WriteFiles(t.Context()); !errors.As(err, &f) || f.Next == "" || p.read("compose.yaml") != web {
		t.Errorf("got %v", err)
	}
}
