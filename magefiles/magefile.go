//go:build mage

// Build, start, watch and clean a Docker Compose stack. Service names may follow a target: mage logs redis livekit.
package main

import (
	// Service names may follow a target, and options have dashes.
	_ "github.com/25eloquence/compose-mage/magefiles/positional"
	//mage:import
	_ "github.com/25eloquence/compose-mage/magefiles/self"
	//mage:import
	"github.com/25eloquence/compose-mage/magefiles/targets"
	//mage:import
	_ "github.com/25eloquence/compose-mage/magefiles/voice"
)

// Default is what `mage` alone runs: the menu on a terminal, the list elsewhere.
var Default = targets.Menu
