// Package positional lets service names follow a target, and options be spelled as everywhere: mage logs -follow
// redis. A magefile imports it for that alone:
//
//	import _ "github.com/25eloquence/compose-mage/magefiles/positional"
//
// Mage reads os.Args in a main function of its own making, so the command line is settled while packages are
// initialised; no other package does work then. What a command line may say is in internal/commandline; this
// package asks the magefile for its targets and the stack for its services, and runs what has to be run in Mage's
// place: help, and targets that are older than their sources.
package positional

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/25eloquence/compose-mage/internal/commandline"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// What Mage tells a compiled magefile by, and what tells our own helper process that it shall only print.
const (
	mageHelpVariable = "MAGEFILE_HELP"
	helpVariable     = "COMPOSE_MAGE_HELP"
	setVariable      = "COMPOSE_MAGE_SET" // names what cmd/mage has set
)

func init() { settle() }

// settle prepares os.Args for Mage. A word or option that nobody knows stops everything before anything has run;
// targets that MAGEFILE_HASHFAST left older than their sources are compiled again; help spells options as the
// command line does. It ends the process where nothing is left to run.
func settle() {
	args := os.Args[1:]
	if os.Getenv(helpVariable) != "" || len(args) == 0 && !mayBeStale() {
		return
	}
	dir := magefileDir()
	if code, done := renew(dir, args); done {
		os.Exit(code)
	}
	unsetOurs()
	table := tableOf(dir)
	if target, asked := table.HelpAsked(args, os.Getenv(mageHelpVariable)); asked {
		os.Exit(exitCode(help(table, target, os.Stdout)))
	}
	args, err := table.Settle(args, sync.OnceValues(serviceNames))
	if err != nil {
		os.Exit(exitCode(err))
	}
	os.Args = append(os.Args[:1], args...)
}

// unsetOurs takes out of the environment what cmd/mage has put into it for this program alone.
func unsetOurs() {
	for name := range strings.FieldsSeq(os.Getenv(setVariable)) {
		_ = os.Unsetenv(name)
	}
	_ = os.Unsetenv(setVariable)
}

// serviceNames gives the services of the stack, those of every profile. An error is as good as a doubt: a stack
// that can't be read may have a service of any name.
func serviceNames() ([]string, error) {
	ctx := context.Background()
	r := compose.Request{AllProfiles: true, NoEnvFiles: true}
	if e, err := engine.Connect(ctx); err == nil {
		r.CLI = e.CLI // by which remote Compose files are read
	}
	model, err := compose.Load(ctx, r)
	if err != nil {
		return nil, err
	}
	return model.Project.ServiceNames(), nil
}

// exitCode prints the error as Mage does and gives its code.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	ui.Fprintf(os.Stderr, "Error: %v\n", err)
	var f *fault.Error
	if errors.As(err, &f) {
		return f.ExitStatus()
	}
	return 1
}

// help prints a target's help. Mage knows the text and this package does not, so the program runs once more and
// prints it; Mage can only print the names of Go parameters, which are given the spelling of the command line here.
func help(table commandline.Table, target string, w io.Writer) error {
	name, ok := table.HelpOf(target)
	if !ok {
		return table.Unknown(target)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("printing help: %w", err)
	}
	var printed, said bytes.Buffer
	printer := exec.Command(self, name)
	printer.Env = append(os.Environ(), mageHelpVariable+"=1", helpVariable+"=1")
	printer.Stdout, printer.Stderr = &printed, &said
	if err := printer.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == int(fault.Usage) { // a target that Mage does not know either
			return table.Unknown(target)
		}
		return fmt.Errorf("printing help: %w: %s", err, said.String())
	}
	_, err = io.WriteString(w, commandline.SpellOptions(printed.String()))
	return err
}
