package daemon

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Child is a program that was started and that ends with this process at the latest: on Linux the kernel kills it,
// however this process ends.
type Child struct {
	PID   int
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // what cmd.Wait gave, once ended is closed
}

// StartChild starts cmd in a process group of its own, which the terminal's Ctrl-C does not reach.
func StartChild(cmd *exec.Cmd) (*Child, error) {
	ended := make(chan struct{})
	child, err := StartChildOn(cmd, func(start func() error) error {
		started := make(chan error, 1)
		go func() {
			// The kernel kills the child when the thread that started it ends, so this thread is kept for the child.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			err := start()
			started <- err
			if err == nil {
				<-ended
			}
		}()
		return <-started
	})
	if err != nil {
		return nil, err
	}
	go func() { <-child.ended; close(ended) }()
	return child, nil
}

// StartChildOn is StartChild on a thread of the caller's, which on runs functions on and which must outlive the child.
func StartChildOn(cmd *exec.Cmd, on func(func() error) error) (*Child, error) {
	childAttributes(cmd)
	if err := on(cmd.Start); err != nil {
		return nil, err
	}
	child := &Child{PID: cmd.Process.Pid, cmd: cmd, ended: make(chan struct{})}
	go func() {
		child.err = cmd.Wait()
		close(child.ended)
	}()
	return child, nil
}

// Ended is closed when the child has ended, for whatever reason.
func (c *Child) Ended() <-chan struct{} { return c.ended }

// Stop sends the signal and waits until the child has ended; after within the child is killed. killed says whether it
// was.
func (c *Child) Stop(signal os.Signal, within time.Duration) (killed bool) {
	_ = c.cmd.Process.Signal(signal) // fails only where it has ended
	select {
	case <-c.ended:
		return false
	case <-time.After(within):
		c.Kill()
		return true
	}
}

// StopGroup is Stop, and what is killed is what KillGroup kills.
func (c *Child) StopGroup(signal os.Signal, within time.Duration) {
	_ = c.cmd.Process.Signal(signal) // fails only where it has ended
	select {
	case <-c.ended:
	case <-time.After(within):
		c.KillGroup()
	}
}

// KillGroup is Kill for the child and all that it has started, as far as that stayed in its process group.
func (c *Child) KillGroup() {
	_ = signalGroup(c.cmd.Process, syscall.SIGKILL) // fails only where they have ended
	<-c.ended
}

// Kill ends the child at once and waits until it has ended.
func (c *Child) Kill() {
	_ = c.cmd.Process.Kill() // fails only where it has ended
	<-c.ended
}
