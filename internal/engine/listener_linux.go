package engine

import (
	"net"
	"strings"

	"golang.org/x/sys/unix"
)

// Listener asks the kernel for the process that listens on a Unix socket, unix://PATH. It is 0 where that can't be
// said, and where the process is not to be seen from here. Where systemd listens for an engine it is PID 1, which may
// do all that the engine may.
func Listener(host string) int {
	path, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		return 0
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		return 0
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0
	}
	var peer *unix.Ucred
	if err := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil || peer == nil {
		return 0
	}
	return int(peer.Pid)
}
