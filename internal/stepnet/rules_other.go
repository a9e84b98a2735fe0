//go:build !linux

package stepnet

import (
	"context"
	"errors"
	"net/netip"
)

// errNotHere is why only Linux has the network: elsewhere the builder runs in a virtual machine's container.
var errNotHere = errors.New("only Linux has it")

// Guard is for Linux.
func (n Network) Guard(context.Context) error { return errNotHere }

// Open is for Linux.
func (n Network) Open() error { return errNotHere }

// Remove is for Linux.
func (n Network) Remove(context.Context) error { return nil }

// Taken is for Linux.
func Taken(string) ([]netip.Prefix, error) { return nil, errNotHere }

// MTU is for Linux.
func MTU() int { return 0 }

// NameServers is for Linux.
func NameServers() error { return errNotHere }
