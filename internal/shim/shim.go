// Package shim owns what an engine that was killed leaves of a container that it had just started: the container's
// program, in the care of a shim (the process that containerd gives each container), of which the engine that comes
// after it knows nothing. It ends such a program by its container's ID, its engine's socket and the time of its
// start, and nothing else.
package shim

import (
	"errors"
	"time"
)

// ErrElsewhere says that the engine's processes are not ones of this machine, or not to be seen from here.
var ErrElsewhere = errors.New("the engine's processes are not to be seen from here")

// patience is how long a process may take to end after it was killed.
const patience = 5 * time.Second
