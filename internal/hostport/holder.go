// Package hostport owns the question who has a port of the host: a container, or a process of this machine. It
// changes nothing.
package hostport

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Holder names the process that listens on a port, from /proc: "sshd (process 812)". It is "" on other systems than
// Linux and where the process is another user's.
func Holder(p Port) string {
	for _, file := range []string{"/proc/net/" + p.Protocol, "/proc/net/" + p.Protocol + "6"} {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		inode := listener(f, p.Number, p.Protocol)
		_ = f.Close()
		if inode == "" {
			continue
		}
		if who := socketOwner("/proc", inode); who != "" {
			return who
		}
	}
	return ""
}

// listener finds, in the text of /proc/net/tcp or udp, the socket that waits on a port, and gives its inode.
func listener(table io.Reader, number int, protocol string) string {
	state := "0A" // TCP_LISTEN
	if protocol == "udp" {
		state = "07" // unconnected
	}
	suffix := fmt.Sprintf(":%04X", number)
	for lines := bufio.NewScanner(table); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && strings.HasSuffix(fields[1], suffix) && fields[3] == state {
			return fields[9]
		}
	}
	return ""
}

// socketOwner finds the process that has the socket open, under proc.
func socketOwner(proc, inode string) string {
	fds, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*"))
	if err != nil {
		return ""
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err != nil || to != "socket:["+inode+"]" {
			continue
		}
		dir := filepath.Dir(filepath.Dir(fd))
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		name, _ := os.ReadFile(filepath.Join(dir, "comm"))
		return fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(name)), pid)
	}
	return ""
}
