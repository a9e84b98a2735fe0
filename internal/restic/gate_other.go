//go:build !linux

package restic

import (
	"context"
	"errors"
)

// Gate is not to be had: on this system the volumes are a virtual machine's.
type Gate struct{}

// NewGate says so.
func (p Program) NewGate(string) (*Gate, error) { return nil, errors.New("not on this system") }

// Reached is never called.
func (g *Gate) Reached(context.Context) error { return nil }

// Open is never called.
func (g *Gate) Open() error { return nil }

// Reads is never asked.
func Reads(int, []Mount) (bool, error) { return false, errors.New("not on this system") }
