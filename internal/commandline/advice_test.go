package commandline

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// adviceIn finds the commands of ours in a text for a person: "go tool mage restart -rolling web, then …".
var adviceIn = regexp.MustCompile(`go tool mage((?:[ ]+(?:[-\w./=<>%…+|]+))*)`)

// checkAdvice says what is wrong with the commands of ours that a text names: each must be one that the command
// line takes.
func checkAdvice(text string) error {
	for _, m := range adviceIn.FindAllStringSubmatch(text, -1) {
		words := strings.Fields(m[1])
		if len(words) == 0 || words[0] == "-l" || words[0] == "-h" || words[0] == "-version" {
			continue
		}
		for len(words) > 2 && (words[0] == "-w" || words[0] == "-t") {
			words = words[2:]
		}
		if words[0] == "-v" {
			words = words[1:]
		}
		if words[0] == "%s" {
			continue // put in at run time; TestWrongArgumentsAreRefusedWithAWay has the whole
		}
		c, known := ours.Commands[words[0]]
		if !known {
			return fmt.Errorf("there is no target %q", words[0])
		}
		for _, word := range words[1:] {
			option, isOption := strings.CutPrefix(word, "-")
			name, _, _ := strings.Cut(option, "=")
			if _, known := c.Options[name]; isOption && !known && word != "-h" {
				return fmt.Errorf("%s has no option -%s", words[0], name)
			}
		}
	}
	return nil
}

// TestEveryAdviceIsACommand reads every string of the program: a command of ours that one of them names must exist,
// with its options, in the one spelling that help has.
func TestEveryAdviceIsACommand(t *testing.T) {
	root, count := filepath.Join("..", ".."), 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != root):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value)
				if err == nil {
					count += strings.Count(text, "go tool mage")
					err = checkAdvice(text)
				}
				if err != nil {
					t.Errorf("%s: %q: %v", path, text, err)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || count < 50 {
		t.Errorf("%d commands found, %v", count, err)
	}
}

// TestDocumentsNameCommandsThatExist holds the same against the documents.
func TestDocumentsNameCommandsThatExist(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join("..", "..", "docs", "fr", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(append(pages, more...), filepath.Join("..", "..", "README.md")) {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(content), "\n") {
			if err := checkAdvice(line); err != nil {
				t.Errorf("%s:%d: %v: %s", page, i+1, err, line)
			}
		}
	}
}

// The French guide has a row for every command of Docker and of the old scripts in the specification, with commands
// that exist.
func TestFrenchGuideMapsTheSpecification(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "fr", "guide.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(content), "## Les commandes de la spécification") //nolint:misspell // French
	table, _, _ = strings.Cut(table, "\n## ")
	rows := 0
	for line := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		rows++
		if !strings.Contains(cells[2], "go tool mage ") && !strings.Contains(cells[2], "rien à faire") {
			t.Errorf("no command of ours in %q", line)
		}
	}
	for _, command := range []string{
		"docker-optimize full", "docker-optimize cleanup", "docker-optimize build", "docker-optimize start",
		"docker-optimize monitor", "docker-compose build --parallel --compress --pull",
		"docker-compose up -d redis livekit", "docker-compose --profile agent-v1 up -d eloquence-agent-v1",
		"docker stats --no-stream", "docker-compose ps", "docker-compose logs -f", "docker-compose logs [service-name]",
		"docker system df`",
		"docker builder prune", "docker system prune -a", "docker system info", "docker system df -v", "docker ps -a",
		"docker network ls", "docker volume ls",
	} {
		if !strings.Contains(table, "`"+command) {
			t.Errorf("%q of the specification is not in the table", command)
		}
	}
	if rows < 18 {
		t.Errorf("%d rows", rows)
	}
}

func TestEveryWordLeadsToATarget(t *testing.T) {
	for _, said := range []map[string]string{OtherWords, OtherOptions} {
		for _, word := range slices.Sorted(maps.Keys(said)) {
			text := strings.ReplaceAll(said[word], "%s", "start")
			if ours.has(word) && strings.HasPrefix(text, "go tool mage -h") {
				t.Errorf("%q is a target", word)
			}
			if err := checkAdvice(text); err != nil {
				t.Errorf("%q leads to %q: %v", word, text, err)
			}
		}
	}
}
