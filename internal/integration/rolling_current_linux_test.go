//go:build integration

package integration

import "testing"

// TestIntegrationRollingUnderLoadCurrent is the same on an engine that may be asked for an address.
func TestIntegrationRollingUnderLoadCurrent(t *testing.T) { underLoad(t, true) }
