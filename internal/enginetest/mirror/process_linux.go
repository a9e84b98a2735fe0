package mirror

import (
	"runtime"
	"syscall"
)

// run starts the program, which the kernel ends with the thread that started it: that one is kept for it.
func (m *Mirror) run() error {
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	cmd := m.cmd
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(m.ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	return <-started
}

// alive says whether there is such a process.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
