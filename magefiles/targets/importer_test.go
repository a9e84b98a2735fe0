package targets

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/25eloquence/compose-mage/internal/golden"
)

// importer is another repository whose whole magefile is an import of these targets. Mage lists only functions whose
// signatures it understands, and says nothing of the others: only what such a repository sees shows that all are there.
const importer = `package main

import (
	//mage:import
	"github.com/25eloquence/compose-mage/magefiles/targets"
)

var Default = targets.Menu
`

var compiled = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "importer")
	if err != nil {
		return "", err
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return "", err
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", err
	}
	text := strings.Replace(string(mod), "module github.com/25eloquence/compose-mage", "module example.com/importer", 1) +
		"\nrequire github.com/25eloquence/compose-mage v0.0.0\nreplace github.com/25eloquence/compose-mage => " + root + "\n"
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(filepath.Join(dir, "magefiles"), 0o755); err != nil {
		return "", err
	}
	for name, content := range map[string]string{"go.mod": text, "go.sum": string(sum), "magefiles/magefile.go": importer} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
})

// mage runs Mage in the importing repository and gives what it prints.
func mage(t *testing.T, args ...string) string {
	t.Helper()
	dir, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("go", append([]string{"tool", "mage"}, args...)...)
	command.Dir = dir
	command.Env = append(os.Environ(), "NO_COLOR=1", "GOFLAGS=-mod=mod")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("mage %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := compiled(); err == nil {
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
			t.Errorf("%s: its line is %d characters and must be at most 70, with a full stop: %q", m[1], len(m[2]), m[2])
		}
	}
	for name := range takesServices {
		if !found[name] {
			t.Errorf("Mage does not list %q: is its signature one that Mage understands?", name)
		}
	}
	for name := range found {
		if _, known := takesServices[name]; !known {
			t.Errorf("%q is a target that the command line does not know: a helper that is exported by mistake?", name)
		}
	}
}

func TestReadmeListsTheTargets(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(mage(t, "-l")), "\n") {
		if !strings.Contains(string(readme), strings.TrimRight("    "+line, " ")) {
			t.Errorf("the README lacks the line %q of mage -l", line)
		}
	}
}

func TestEveryTargetHasHelp(t *testing.T) {
	var all strings.Builder
	for _, m := range listed.FindAllStringSubmatch(mage(t, "-l"), -1) {
		help := mage(t, "-h", m[1])
		all.WriteString("$ mage -h " + m[1] + "\n" + help + "\n")
		name := strings.ToLower(m[1])
		if takesServices[name] && !strings.Contains(help, "-services=") {
			t.Errorf("%s takes services, but its help does not say so:\n%s", name, help)
		}
		for line := range strings.SplitSeq(help, "\n") {
			if fields := strings.Fields(line); strings.HasPrefix(line, "\t-") && len(fields) < 2 {
				t.Errorf("%s: an option without a word about it: %q", name, line)
			}
		}
	}
	golden.Check(t, "help.txt", all.String())
}
