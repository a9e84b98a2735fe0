package history

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// fullVariable makes this test's program the one that has a small disk of its own.
const fullVariable = "HISTORY_FULL_DISK"

// TestAFullDisk runs itself with a file system of its own, of 256 KiB, in namespaces of its own.
func TestAFullDisk(t *testing.T) {
	if os.Getenv(fullVariable) != "" {
		recordOnAFullDisk(t, t.TempDir())
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestAFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), fullVariable+"=1")
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
}

func recordOnAFullDisk(t *testing.T, dir string) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatalf("no file system of its own: %v", err)
	}
	defer func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }()
	t.Setenv("COMPOSE_MAGE_STATE", dir)
	filler := filepath.Join(dir, "filler")
	fill := func() {
		file, err := os.Create(filler)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = file.Write(make([]byte, 4096))
		}
		_ = file.Close()
	}
	s := open(t, filepath.Join(dir, "history"))
	var said []string
	second := 0
	until := func(end int) {
		for ; second < end; second++ {
			err := s.Add(epoch.Add(time.Duration(second)*time.Second), []Value{
				{"a", CPUPercent, float64(second)}, {"a", strings.Repeat(fmt.Sprint(second%7), 100), float64(second)},
			})
			text := "fine"
			if err != nil {
				text = "full"
				if !fault.DiskFull(err) || !strings.Contains(err.Error(), "cleanup") {
					t.Errorf("second %d: %v", second, err)
				}
			}
			if len(said) == 0 || said[len(said)-1] != text {
				said = append(said, text)
			}
		}
	}
	until(300)
	fill()
	until(1500) // twenty minutes without space
	if got, err := s.Query("a", CPUPercent, epoch, epoch.Add(time.Hour), time.Minute); err != nil || len(got) != 25 {
		t.Errorf("meanwhile %d points: %v", len(got), err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	until(1800)
	fill()
	until(2 * 3600) // over the end of a log
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	until(3 * 3600)
	if got := strings.Join(said, " "); got != "fine full fine full fine" {
		t.Errorf("said were %s", got)
	}
	if err := errorsOf(s.Close(), s.Notes()); err != nil {
		t.Error(err)
	}
	reader, _ := ReadOnly(filepath.Join(dir, "history"))
	got, err := reader.Query("a", CPUPercent, epoch, epoch.Add(4*time.Hour), time.Minute)
	// What is older than an hour when there is space again is lost.
	if err != nil || len(got) < 180-31 || len(got) > 180 {
		t.Errorf("%d of 180 points: %v", len(got), err)
	}
}
