package engine

import (
	"fmt"
	"os"
)

// SharesNetwork says whether the engine is known to run in this process's network, so that its containers' addresses
// mean the same here.
func (e *Engine) SharesNetwork() bool {
	pid := Listener(e.Host)
	if pid <= 0 {
		return false
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return false // another user's process
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	return err == nil && ours == theirs
}
