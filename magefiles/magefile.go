//go:build mage

// Build, start, watch and clean a Docker Compose stack. Service names may follow a target: mage logs redis livekit.
package main

import (
	"fmt"
	"os"

	//mage:import
	"github.com/25eloquence/compose-mage/magefiles/targets"
)

// Default is what `mage` alone runs: the menu on a terminal, the list elsewhere.
var Default = targets.Menu

// Mage reads os.Args in a main function of its own making, so the command line is settled while variables are set up:
// service names may follow a target, and a mistyped target stops everything before anything has run. Targets that
// MAGEFILE_HASHFAST left older than their sources are compiled again first.
var _ = settle()

func settle() bool {
	if code, done := targets.Renew(os.Args[1:]); done {
		os.Exit(code)
	}
	args, err := targets.Arguments(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(int(targets.ExitUsage))
	}
	os.Args = append(os.Args[:1], args...)
	return true
}
