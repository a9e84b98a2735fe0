//go:build !linux

package rig

import "context"

// Rest is what Linux alone can tell.
func Rest(context.Context) {}
