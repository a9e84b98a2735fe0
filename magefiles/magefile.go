//go:build mage

// Build, start, watch and clean a Docker Compose stack. Service names may follow a target: mage logs redis livekit.
package main

import (
	//mage:import
	"github.com/25eloquence/compose-mage/magefiles/targets"
)

// Default is what `mage` alone runs: the menu on a terminal, the list elsewhere.
var Default = targets.Menu

// Mage reads os.Args in a main function of its own making, so the command line is settled while variables are set up.
var _ = targets.Settle()
