//go:build unix

package regular

import (
	"errors"
	"syscall"
)

// nonBlocking opens and reads what is no regular file without waiting for it.
const nonBlocking = syscall.O_NONBLOCK

func wouldBlock(err error) bool { return errors.Is(err, syscall.EAGAIN) }
