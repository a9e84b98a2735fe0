//go:build unix

package compose

import (
	"errors"
	"syscall"
)

// nonBlocking opens and reads what is no file without waiting for it.
const nonBlocking = syscall.O_NONBLOCK

func wouldBlock(err error) bool { return errors.Is(err, syscall.EAGAIN) }
