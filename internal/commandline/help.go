package commandline

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// HelpAsked finds the target whose help is wanted: `mage start -h`, and `mage -h start` where Mage does not answer
// that by itself (with MAGEFILE_HASHFAST), but tells by variable.
func (t Table) HelpAsked(args []string, variable string) (target string, asked bool) {
	if variable != "" && variable != "0" && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return args[0], true
	}
	for i, arg := range args {
		if i > 0 && slices.Contains([]string{"-h", "-help", "--help"}, arg) {
			return target, true
		}
		if t.has(arg) || i == 0 {
			target = arg
		}
	}
	return "", false
}

// HelpOf gives the name under which Mage has the target's help: of an alias, that of its target. ok is false where
// there is no such target, which an open table can't tell.
func (t Table) HelpOf(target string) (name string, ok bool) {
	if of := t.Commands[strings.ToLower(target)].Target; of != "" {
		return of, true
	}
	return target, t.Open || t.has(target)
}

var (
	helpLine   = regexp.MustCompile(`^\t-(\w+)=<([\w.]+)>\s+(.*)$`)
	usageFlags = regexp.MustCompile(`\[-(\w+)=<([\w.]+)>\]`)
)

// SpellOptions gives the options in Mage's help the spelling of the command line: -dryRun=<bool> is -dry-run.
func SpellOptions(text string) string {
	lines := strings.Split(text, "\n")
	width := 0
	for _, line := range lines {
		if m := helpLine.FindStringSubmatch(line); m != nil {
			width = max(width, len(spelled(m[1], m[2])))
		}
	}
	for i, line := range lines {
		if m := helpLine.FindStringSubmatch(line); m != nil {
			said := strings.TrimPrefix(m[3], "-"+Dashed(m[1])+": ") // for those who see Mage's own help
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
		return "-" + Dashed(parameter)
	case "time.Duration":
		kind = "duration"
	}
	return "-" + Dashed(parameter) + "=<" + kind + ">"
}
