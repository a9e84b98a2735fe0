package current

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// Namespace is a network namespace that lives as long as its thread and what was started in it; it is gone, with its
// interfaces, when this process ends, however that ends.
type Namespace struct {
	thread *thread
	TID    int // of its thread: what ip(8) names it by
}

// NewNamespace makes a network namespace that has a loopback.
func NewNamespace(ctx context.Context) (*Namespace, error) {
	n := &Namespace{thread: newThread()}
	err := n.Do(func() error {
		n.TID = syscall.Gettid()
		return syscall.Unshare(syscall.CLONE_NEWNET)
	})
	if err == nil {
		err = n.Run(ctx, "ip link set lo up")
	}
	if err != nil {
		n.Close()
		return nil, fmt.Errorf("making a network namespace: %w", err)
	}
	return n, nil
}

// Do runs f, and what it starts, in the namespace.
func (n *Namespace) Do(f func() error) error { return n.thread.do(f) }

// Run runs the commands in the namespace, one after another, none of whose words holds a space.
func (n *Namespace) Run(ctx context.Context, commands ...string) error {
	return n.Do(func() error { return Run(ctx, commands...) })
}

// Close gives the namespace up. It ends with the last process in it; children that were started from it are killed.
func (n *Namespace) Close() { close(n.thread.work) }

// Run runs the commands, one after another, none of whose words holds a space.
func Run(ctx context.Context, commands ...string) error {
	for _, command := range commands {
		words := strings.Fields(command)
		if out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("running %q: %w: %s", command, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// thread runs functions, one at a time, on one thread that nothing else runs on and that ends with it.
type thread struct{ work chan func() }

func newThread() *thread {
	t := &thread{work: make(chan func())}
	go t.run()
	return t
}

// run never takes the process's main thread: that one can't end, and /proc/self goes by its namespaces for all of the
// process.
func (t *thread) run() {
	runtime.LockOSThread() // never unlocked: what was done to the thread must not reach other goroutines
	if syscall.Gettid() == os.Getpid() {
		other := make(chan struct{})
		go func() { defer close(other); t.run() }() // on another, for this one is taken
		<-other
		runtime.UnlockOSThread() // nothing was done to it
		return
	}
	for f := range t.work {
		f()
	}
}

func (t *thread) do(f func() error) error {
	done := make(chan error, 1)
	t.work <- func() { done <- f() }
	return <-done
}
