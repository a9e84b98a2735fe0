package evidence

import (
	"bytes"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/25eloquence/compose-mage/internal/container"
)

const (
	// mostRecords bounds how much of the kernel's log is read: more than the largest buffer of a distribution holds.
	mostRecords = 1 << 16
	// recordBytes is the most that the kernel gives of one record.
	recordBytes = 8 << 10
)

// kernelLog reads the kernel's log; nil where this user may not, or it is another kernel's.
func kernelLog() *container.KernelLog {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = unix.Close(fd) }()
	var kind unix.Stat_t
	if unix.Fstat(fd, &kind) != nil || kind.Mode&unix.S_IFMT != unix.S_IFCHR { // a file, where a container hides it
		return nil
	}
	var up unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &up) != nil {
		return nil
	}
	boot := time.Now().Add(-time.Duration(up.Nano()))
	var records []string
	buffer := make([]byte, recordBytes)
	for range mostRecords {
		n, err := unix.Read(fd, buffer)
		switch {
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR): // EPIPE: what was to be read next was overwritten
			continue
		case err != nil || n <= 0: // EAGAIN is the end
			return killsOf(records, boot)
		}
		record := buffer[:n]
		if len(records) == 0 || bytes.Contains(record, []byte("oom-kill:")) ||
			bytes.Contains(record, []byte("Killed process")) {
			records = append(records, string(record))
		}
	}
	return killsOf(records, boot)
}
