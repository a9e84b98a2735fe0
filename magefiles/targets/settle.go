package targets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// What Mage tells a compiled magefile by, and what tells our own helper process that it shall only print.
const (
	mageHelpVariable = "MAGEFILE_HELP"
	helpVariable     = "COMPOSE_MAGE_HELP"
)

// Settle prepares the command line for Mage, which reads os.Args in a main function of its own making; a magefile calls
// it while its variables are set up. Service names may follow a target; a word or option that nobody knows stops
// everything before anything has run; targets that MAGEFILE_HASHFAST left older than their sources are compiled again;
// help spells options as the command line does. It ends the process where nothing is left to run, and returns true.
func Settle() bool {
	if os.Getenv(helpVariable) != "" {
		return true
	}
	args := os.Args[1:]
	if code, done := Renew(args); done {
		os.Exit(code)
	}
	if target, asked := helpAsked(args, os.Getenv(mageHelpVariable)); asked {
		os.Exit(exitCode(help(target, os.Stdout)))
	}
	args, err := Arguments(args)
	if err != nil {
		os.Exit(exitCode(err))
	}
	os.Args = append(os.Args[:1], args...)
	return true
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

// helpAsked finds the target whose help is wanted: `mage start -h`, and `mage -h start` where Mage does not answer that by
// itself (with MAGEFILE_HASHFAST), but tells by variable.
func helpAsked(args []string, variable string) (target string, asked bool) {
	if variable != "" && variable != "0" && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return args[0], true
	}
	for i, arg := range args {
		if i > 0 && slices.Contains([]string{"-h", "-help", "--help"}, arg) {
			return target, true
		}
		if _, known := commands[strings.ToLower(arg)]; known || i == 0 {
			target = arg
		}
	}
	return "", false
}

// help prints a target's help. Mage knows the text and this package does not, so the program runs once more and prints
// it; Mage can only print the names of Go parameters, which are given the spelling of the command line here.
func help(target string, w io.Writer) error {
	if _, known := commands[strings.ToLower(target)]; !known {
		return unknown(target)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("printing help: %w", err)
	}
	var printed bytes.Buffer
	printer := exec.Command(self, target)
	printer.Env = append(os.Environ(), mageHelpVariable+"=1", helpVariable+"=1")
	printer.Stdout, printer.Stderr = &printed, os.Stderr
	if err := printer.Run(); err != nil {
		return fmt.Errorf("printing help: %w", err)
	}
	_, err = io.WriteString(w, spellOptions(printed.String()))
	return err
}

var (
	helpLine   = regexp.MustCompile(`^\t-(\w+)=<([\w.]+)>\s+(.*)$`)
	usageFlags = regexp.MustCompile(`\[-(\w+)=<([\w.]+)>\]`)
)

// spellOptions gives the options in Mage's help the spelling of the command line: -dryRun=<bool> is -dry-run.
func spellOptions(text string) string {
	lines := strings.Split(text, "\n")
	width := 0
	for _, line := range lines {
		if m := helpLine.FindStringSubmatch(line); m != nil {
			width = max(width, len(spelled(m[1], m[2])))
		}
	}
	for i, line := range lines {
		if m := helpLine.FindStringSubmatch(line); m != nil {
			said := strings.TrimPrefix(m[3], "-"+dashed(m[1])+": ") // for those who see Mage's own help
			lines[i] = fmt.Sprintf("\t%-*s  %s", width, spelled(m[1], m[2]), said)
		} else if m := usageFlags.FindStringSubmatch(line); m != nil {
			lines[i] = strings.Replace(line, m[0], "["+spelled(m[1], m[2])+"]", 1)
		}
	}
	return strings.Join(lines, "\n")
}

func spelled(parameter, kind string) string {
	switch kind {
	case "bool":
		return "-" + dashed(parameter)
	case "time.Duration":
		kind = "duration"
	}
	return "-" + dashed(parameter) + "=<" + kind + ">"
}
