//go:build !linux

package freezer

import (
	"errors"
	"time"
)

// thawer is not to be had: the containers' processes are a virtual machine's.
type thawer struct{ process }

func startThawer(group, string, time.Duration) (*thawer, error) {
	return nil, errors.New("not on this system")
}

func (t *thawer) stop() {}

func (p process) kill() {}
