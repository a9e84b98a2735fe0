package restic

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestReadsSeesOpenFilesOfTheMounts has a process in a mount namespace of its own open a file and close it.
func TestReadsSeesOpenFilesOfTheMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "a b")
	for _, err := range []error{
		os.Mkdir(to, 0o700), os.WriteFile(filepath.Join(from, "f"), nil, 0o600), os.Symlink(to, to+"-link"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command("/bin/sh", "-c", "cd "+`"$0"`+"; exec 3<f; echo; read x; exec 3<&-; echo; read x", to)
	mounts := []Mount{{From: from, To: to + "-link", ReadOnly: true}}
	if err := withMounts(command, mounts); err != nil {
		t.Fatal(err)
	}
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Wait() }()
	defer in.Close()
	said := bufio.NewReader(out)
	for _, want := range []bool{true, false} {
		if _, err := said.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if got, err := Reads(command.Process.Pid, mounts); err != nil || got != want {
			t.Errorf("reads: %v, %v, want %v", got, err, want)
		}
		if _, err := in.Write([]byte("\n")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Reads(os.Getpid(), mounts); err == nil {
		t.Error("a process that does not have the mounts is said not to read them")
	}
}

// TestMountNumbers reads the kernel's table as it is written.
func TestMountNumbers(t *testing.T) {
	table := `25 1 254:0 / / rw - ext4 /dev/vda rw
91 25 254:0 /v/a /x/volumes/a ro - ext4 /dev/vda rw
92 25 254:0 /v/b /x/volumes/b\040c\134d ro - ext4 /dev/vda rw
short
`
	if got := mountNumbers(table, []string{"/x/volumes/a", `/x/volumes/b c\d`, "/x"}); !slices.Equal(got,
		[]string{"91", "92"}) {
		t.Errorf("got %v", got)
	}
}
