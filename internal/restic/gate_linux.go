package restic

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/25eloquence/compose-mage/internal/wait"
)

// Gate is a file that restic can't open before it is told: the kernel holds up whoever opens a file on which another
// process has a lease (fcntl(2), F_SETLEASE). Restic reads the paths of a snapshot in the order of their names, and so
// nothing behind the gate.
type Gate struct {
	file    *os.File
	reached time.Time
}

const (
	// gateLimit is how long restic may stand before a gate: after 45 s the kernel ends a lease by itself.
	gateLimit = 40 * time.Second
	// newestGated is the newest minor version of which it is known that it opens files one after the other.
	newestGated = 14
)

// NewGate makes the file. It is an error where there can't be a gate: with another version of restic, or on a file
// system without leases.
func (p Program) NewGate(path string) (*Gate, error) {
	if p.minor > newestGated {
		return nil, errors.New("of this restic it is not known in which order it opens files")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("making the gate: %w", err)
	}
	// Its content is new, so that restic has to open it whatever the snapshot before has.
	if err := os.WriteFile(path, []byte(rand.Text()), 0o600); err != nil {
		return nil, fmt.Errorf("making the gate: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("making the gate: %w", err)
	}
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		return nil, errors.Join(fmt.Errorf("making the gate: %w", err), file.Close())
	}
	return &Gate{file: file}, nil
}

// Reached waits until restic stands before the gate, or ctx ends.
func (g *Gate) Reached(ctx context.Context) error {
	for {
		held, err := unix.FcntlInt(g.file.Fd(), unix.F_GETLEASE, 0)
		if err != nil {
			return fmt.Errorf("watching the gate: %w", err)
		}
		if held != unix.F_WRLCK { // what it is to become, once somebody has opened the file
			g.reached = time.Now()
			return nil
		}
		if err := wait.For(ctx, 5*time.Millisecond); err != nil {
			return context.Cause(ctx)
		}
	}
}

// Open lets restic through. It is an error where restic may have gone through before.
func (g *Gate) Open() error {
	stood := time.Since(g.reached)
	_, err := unix.FcntlInt(g.file.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	if err := errors.Join(err, g.file.Close()); err != nil {
		return fmt.Errorf("opening the gate: %w", err)
	}
	if stood > gateLimit {
		return fmt.Errorf("restic was held up for %s, and may have read on by itself", stood.Round(time.Second))
	}
	return nil
}
