package targets

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/25eloquence/compose-mage/internal/commandline"
	"github.com/25eloquence/compose-mage/internal/golden"
)

// commands are the targets of this package, as the command line knows them.
var commands = commandline.Packages["targets"]

// compiled is a repository that imports the targets and does no more. Mage lists only functions whose signatures it
// understands, and says nothing of the others: only what such a repository sees shows that all are there.
var compiled = sync.OnceValues(func() (string, error) {
	dir, _, err := importing(withoutGo)
	return dir, err
})

// mage runs Mage in the importing repository and gives what it prints.
func mage(t *testing.T, args ...string) string {
	t.Helper()
	dir, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	out, err := typed(dir, "go tool mage "+strings.Join(args, " "))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// program is the importing repository's magefile, compiled.
var program = sync.OnceValues(func() (string, error) {
	dir, err := compiled()
	if err != nil {
		return "", err
	}
	return compile(dir)
})

// compile compiles a repository's magefile and gives the program's path.
func compile(dir string) (string, error) {
	path := filepath.Join(dir, "mage")
	_, err := typed(dir, "go tool mage -compile "+path)
	return path, err
}

// run runs the compiled targets in dir ("" for the importing repository) and gives what they print and the exit code.
func run(t *testing.T, dir string, args ...string) (string, int) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return runProgram(t, path, dir, args...)
}

func runProgram(t *testing.T, path, dir string, args ...string) (string, int) {
	t.Helper()
	command := exec.Command(path, args...)
	command.Dir = cmp.Or(dir, filepath.Dir(path))
	command.Env = append(os.Environ(), "NO_COLOR=1")
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("mage %v: %v\n%s", args, err, out)
	}
	return string(out), command.ProcessState.ExitCode()
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range made {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

var listed = regexp.MustCompile(`(?m)^  (\w+)\*?\s{2,}(.*)$`)

func TestEveryTargetIsKnown(t *testing.T) {
	list := mage(t, "-l")
	golden.Check(t, "list.txt", list)
	found := map[string]bool{}
	for _, m := range listed.FindAllStringSubmatch(list, -1) {
		found[strings.ToLower(m[1])] = true
		if len(m[2]) > 70 || !strings.HasSuffix(m[2], ".") {
			t.Errorf("%s: its line is %d characters and must be at most 70, with a full stop: %q", m[1], len(m[2]),
				m[2])
		}
	}
	for name := range commands {
		if !found[name] {
			t.Errorf("Mage does not list %q: is its signature one that Mage understands?", name)
		}
	}
	for name := range found {
		if _, known := commands[name]; !known {
			t.Errorf("%q is a target that the command line does not know: a helper that is exported by mistake?", name)
		}
	}
}

// ownMage runs Mage on this repository's magefile, which imports the targets that are its own too.
func ownMage(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.Command("go", append([]string{"tool", "mage"}, args...)...)
	command.Dir = filepath.Join("..", "..")
	command.Env = append(os.Environ(), "NO_COLOR=1")
	var said bytes.Buffer // that it compiles, for one
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		t.Fatalf("mage %v: %v\n%s%s", args, err, out, said.String())
	}
	return string(out)
}

func TestThisRepositorysTargetsAreKnown(t *testing.T) {
	list := ownMage(t, "-l")
	golden.Check(t, "own.txt", list)
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, targets, _ := strings.Cut(list, "\n\n") // the description is the magefile's
	for line := range strings.SplitSeq(strings.TrimSpace(targets), "\n") {
		if !strings.Contains(string(readme), strings.TrimRight("    "+line, " ")) {
			t.Errorf("the README lacks the line %q of mage -l", line)
		}
	}
	known := commandline.Everything().Commands
	for _, m := range listed.FindAllStringSubmatch(list, -1) {
		if _, is := known[strings.ToLower(m[1])]; !is {
			t.Errorf("the command line does not know %s", m[1])
		}
		delete(known, strings.ToLower(m[1]))
	}
	if len(known) > 0 {
		t.Errorf("the command line knows %v, which Mage does not list", known)
	}
	for _, its := range []string{"self", "voice"} {
		for name, command := range commandline.Packages[its] {
			if len(command.Options) > 0 || len(command.Values) > 0 {
				checkOptions(t, name, command, commandline.SpellOptions(ownMage(t, "-h", name)))
			}
		}
	}
}

func TestEveryTargetHasHelp(t *testing.T) {
	var all strings.Builder
	for _, m := range listed.FindAllStringSubmatch(mage(t, "-l"), -1) {
		help, code := run(t, "", m[1], "-h")
		if code != 0 {
			t.Fatalf("mage %s -h: exit %d\n%s", m[1], code, help)
		}
		all.WriteString("$ mage " + m[1] + " -h\n" + help + "\n")
		name := strings.ToLower(m[1])
		checkOptions(t, name, commands[name], help)
		for line := range strings.SplitSeq(help, "\n") {
			if fields := strings.Fields(line); strings.HasPrefix(line, "\t-") && len(fields) < 2 {
				t.Errorf("%s: an option without a word about it: %q", name, line)
			}
		}
	}
	golden.Check(t, "help.txt", all.String())
}

// The command line's table is held against what Mage knows, whose help spellOptions has spelled.
func checkOptions(t *testing.T, target string, command commandline.Command, help string) {
	t.Helper()
	kinds := map[string]commandline.Kind{
		"": commandline.Flag, "=<string>": commandline.Text,
		"=<duration>": commandline.Duration,
	}
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)(?:^\t|\[)-([\w-]+)(=<\w+>)?`).FindAllStringSubmatch(help, -1) {
		found[m[1]] = true
		k, known := command.Options[m[1]]
		if k == commandline.List {
			k = commandline.Text // which only the command line tells apart
		}
		if !known || k != kinds[m[2]] {
			t.Errorf("%s: the command line does not know its option -%s%s", target, m[1], m[2])
		}
	}
	for option := range command.Options {
		if !found[option] {
			t.Errorf("%s: the command line knows an option -%s that Mage does not", target, option)
		}
	}
	if command.Services != found["services"] {
		t.Errorf("%s: takes services: %t, in its help: %t", target, command.Services, found["services"])
	}
}

func TestMistakesEndWithTwoBeforeAnythingRuns(t *testing.T) {
	for line, want := range map[string]string{
		"up": "Error: no target \"up\"\n  next: go tool mage start", "status -services=": "has an empty value",
		"nosuch -h":         "no target \"nosuch\"",
		"start -timeout 5s": "next: go tool mage start -timeout=5s",
	} {
		if out, code := run(t, "", strings.Fields(line)...); code != 2 || !strings.Contains(out, want) {
			t.Errorf("mage %s: exit %d, want 2 and %q:\n%s", line, code, want, out)
		}
	}
}

// A word that is a service of the stack, in whatever profile, is not taken for the target of that name.
func TestServiceNamedLikeATarget(t *testing.T) {
	dir := t.TempDir()
	text := "name: named\nservices:\n  web: {image: x}\n  build: {image: x}\n  smoke: {image: x, profiles: [ci]}\n"
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"stop build": "go tool mage stop -services=build", "logs web smoke": "go tool mage logs -services=smoke",
		"check build": `"build" after check may be the service`,
	} {
		if out, code := run(t, dir, strings.Fields(line)...); code != 2 || !strings.Contains(out, want) {
			t.Errorf("mage %s: exit %d, want 2 and %q:\n%s", line, code, want, out)
		}
	}
}

// Mage's own help knows the names of Go parameters only: where the command line spells an option otherwise, its
// text does.
func TestMagesOwnHelpNamesTheSpelling(t *testing.T) {
	for _, variable := range []string{"MAGEFILE_HELP", "COMPOSE_MAGE_HELP"} { // by which it is printed as it is
		t.Setenv(variable, "1")
	}
	for name, c := range commands {
		help := ""
		for option := range c.Options {
			if !strings.Contains(option, "-") {
				continue
			}
			if help == "" {
				help, _ = run(t, "", name)
			}
			if !regexp.MustCompile(`>\s+-` + option + `: `).MatchString(help) {
				t.Errorf("%s: the text of its option does not begin with -%s:\n%s", name, option, help)
			}
		}
	}
}
