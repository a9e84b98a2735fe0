package targets

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/25eloquence/compose-mage/internal/golden"
)

// module is this one, which an importer here gets by a replace, since no proxy has the version that the page names.
const module = "github.com/25eloquence/compose-mage"

// section is what a reader of docs/import.md types under one heading.
type section struct {
	files    map[string]string // by path
	commands []string
}

var (
	fileNamed = regexp.MustCompile("`([\\w/]+\\.go)`:$")
	fence     = "```"
)

// sections reads the page: a block of Go becomes the file that the line before it names, and blocks of shell are
// commands.
func sections(page string) map[string]section {
	all := map[string]section{}
	title, named := "", ""
	lines := strings.Split(page, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			title = heading
			all[title] = section{files: map[string]string{}}
		}
		if m := fileNamed.FindStringSubmatch(line); m != nil {
			named = m[1]
		}
		language, ok := strings.CutPrefix(line, fence)
		if !ok || title == "" {
			continue
		}
		begin := i + 1
		for i++; lines[i] != fence; i++ {
		}
		s := all[title]
		switch language {
		case "go":
			s.files[named] = strings.Join(lines[begin:i], "\n") + "\n"
		case "sh":
			s.commands = append(s.commands, lines[begin:i]...)
		}
		all[title] = s
	}
	return all
}

// importPage is docs/import.md, read.
var importPage = sync.OnceValues(func() (map[string]section, error) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "import.md"))
	return sections(string(page)), err
})

const (
	withoutGo   = "A repository without Go"
	withTargets = "With targets of your own"

	ownModule = "module example.com/shop\n\ngo 1.26\n"
	program1  = "package main\n\nfunc main() {}\n"
)

// importers are the repositories for which the page says what to type: what they have before, by the heading.
func importers(root string) map[string]map[string]string {
	replaced := "\nreplace " + module + " => " + root + "\n"
	return map[string]map[string]string{
		withoutGo:         {"app.py": "print('hello')\n"},
		"A Go repository": {"main.go": program1, "go.mod": ownModule + replaced},
		withTargets:       {"package.json": "{}\n"},
		"A workspace":     {"go.work": "go 1.26\n\nuse ./app\n", "app/go.mod": ownModule, "app/main.go": program1},
		"A fork": {"main.go": program1, "go.mod": ownModule +
			"\ntool github.com/magefile/mage\n\nrequire github.com/magefile/mage v1.17.2\n"},
	}
}

// importing makes the repository of that heading below a new directory, types what the page says, and gives the
// repository's path and what the commands print.
func importing(heading string) (dir, printed string, err error) {
	page, err := importPage()
	if err != nil {
		return "", "", err
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return "", "", err
	}
	top, err := os.MkdirTemp("", "importer")
	if err != nil {
		return "", "", err
	}
	made = append(made, top)
	dir = filepath.Join(top, "shop")
	if err := os.Symlink(root, filepath.Join(top, "compose-mage")); err != nil {
		return "", "", err
	}
	files := map[string]string{"compose.yaml": "services:\n  web: {image: x}\n"}
	for _, some := range []map[string]string{page[withoutGo].files, page[heading].files, importers(root)[heading]} {
		for name, text := range some {
			files[name] = text
		}
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", "", err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return "", "", err
		}
	}
	var out strings.Builder
	for _, line := range page[heading].commands {
		text, err := typed(dir, line)
		if err != nil {
			return dir, "", err
		}
		fmt.Fprintf(&out, "$ %s\n", line)
		if strings.HasPrefix(line, "go tool mage") {
			out.WriteString(text)
		}
		if before, _, makesModule := strings.Cut(line, " mod init"); makesModule {
			if _, err := typed(dir, before+" mod edit -replace="+module+"="+root); err != nil {
				return dir, "", err
			}
		}
	}
	return dir, out.String(), nil
}

// made are the directories of importers, which TestMain removes.
var made []string

// typed runs a command of the page in dir. Modules come from where Go has put them already, as far as they are there.
func typed(dir, line string) (string, error) {
	words := strings.Fields(line)
	command := exec.Command(words[0], words[1:]...)
	command.Dir, command.Env = dir, importerEnvironment()
	out, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", line, err, out)
	}
	return string(out), nil
}

var importerEnvironment = sync.OnceValue(func() []string {
	out, _ := exec.Command("go", "env", "GOMODCACHE", "GOPROXY").Output()
	modules, last, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	cache := filepath.ToSlash(filepath.Join(modules, "cache", "download"))
	return append(os.Environ(), "NO_COLOR=1", "GOFLAGS=", "GOWORK=", "GOSUMDB=off", "GOTOOLCHAIN=local",
		"GOPROXY=file:///"+strings.TrimPrefix(cache, "/")+","+last)
})

// TestTheImportPageIsRight types what docs/import.md says for each kind of repository.
func TestTheImportPageIsRight(t *testing.T) {
	for heading, fixture := range importers("") {
		t.Run(heading, func(t *testing.T) {
			if len(fixture) == 0 {
				t.Fatal("nothing is there before")
			}
			dir, printed, err := importing(heading)
			if err != nil {
				t.Fatal(err)
			}
			if heading == withTargets {
				checkOwnTargets(t, dir)
			}
			if !strings.Contains(printed, "go tool mage -l\n") {
				t.Fatalf("the page shows no list:\n%s", printed)
			}
			name := strings.ReplaceAll(strings.ToLower(heading), " ", "-") + ".txt"
			golden.Check(t, filepath.Join("importers", name), printed)
		})
	}
	page, err := importPage()
	if err != nil {
		t.Fatal(err)
	}
	for heading, s := range page {
		if _, tried := importers("")[heading]; !tried && len(s.commands) > 0 {
			t.Errorf("nobody types what is under %q", heading)
		}
	}
}

// checkOwnTargets compiles a magefile with targets of its own, and shows that the command line knows them, whatever
// the working directory.
func checkOwnTargets(t *testing.T, dir string) {
	t.Helper()
	path, err := compile(dir)
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"deploy":             "Error: deploy needs a release",
		"deploy -h":          "mage deploy <release> [-dry-run]",
		"start -h":           "mage stack:start [<flags>]",
		"stack:stop -nosuch": `Error: no option "-nosuch" of stack:stop`,
		"logs -follow -x":    `Error: no option "-x" of logs`,
		"db:migrat":          `Error: no target "db:migrat" (did you mean "db:migrate"?)`,
		"build smoke":        `Error: no target "smoke" (did you mean "stack:smoke"?)`,
	} {
		if out, _ := runProgram(t, path, t.TempDir(), strings.Fields(line)...); !strings.Contains(out, want) {
			t.Errorf("mage %s: want %q:\n%s", line, want, out)
		}
	}
}
