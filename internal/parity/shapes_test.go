package parity

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shape is one stack: its files, and the directory and environment it is loaded in. In testdata many share an archive
// in the form of golang.org/x/tools/txtar: "-- shape/path --", then the file. The file "shape" of a shape is not
// written but read as settings, one a line:
//
//	dir: sub            the directory to run in, below the shape's own
//	env: NAME=value     one variable; ${SHAPE} in the value is the shape's own directory
//	unset: NAME         a variable that the environment lacks (PWD, HOME)
//	link: alias real    a symbolic link
//	refused: file:line  both refuse the shape, ours with this file and line; no line where no key is at fault, and
//	                    "refused:" alone where no file is
type shape struct {
	name    string
	files   []file
	dir     string
	env     []string
	unset   []string
	links   [][2]string
	fails   bool
	refused string // with fails: what our refusal names
}

type file struct {
	path    string
	content []byte
}

var marker = regexp.MustCompile(`(?m)^-- ([^/\n]+)/(.+) --\n`)

// readShapes gives all shapes in the order of the archives.
func readShapes(t *testing.T) []*shape {
	t.Helper()
	archives, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(archives) == 0 {
		t.Fatalf("no shapes under testdata: %v", err)
	}
	var all []*shape
	byName := map[string]*shape{}
	for _, archive := range archives {
		data, err := os.ReadFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		marks := marker.FindAllSubmatchIndex(data, -1)
		for i, m := range marks {
			end := len(data)
			if i+1 < len(marks) {
				end = marks[i+1][0]
			}
			name, path, content := string(data[m[2]:m[3]]), string(data[m[4]:m[5]]), data[m[1]:end]
			s := byName[name]
			if s == nil {
				s = &shape{name: name}
				byName[name] = s
				all = append(all, s)
			}
			if path != "shape" {
				s.files = append(s.files, file{path: path, content: content})
				continue
			}
			if err := s.set(string(content)); err != nil {
				t.Fatalf("%s: shape %q: %v", archive, name, err)
			}
		}
	}
	return all
}

// set reads a shape's settings.
func (s *shape) set(text string) error {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "dir":
			s.dir = value
		case "env":
			s.env = append(s.env, value)
		case "unset":
			s.unset = append(s.unset, value)
		case "refused":
			s.fails, s.refused = true, value
		case "link":
			alias, real, _ := strings.Cut(value, " ")
			s.links = append(s.links, [2]string{alias, real})
		default:
			return fmt.Errorf("unknown setting %q", line)
		}
	}
	return nil
}

func (s *shape) hasProfiles() bool {
	return slices.ContainsFunc(s.files, func(f file) bool { return bytes.Contains(f.content, []byte("profiles")) })
}

// write puts the shape's files below root.
func (s *shape) write(t *testing.T, root string) {
	t.Helper()
	for _, f := range s.files {
		path := filepath.Join(root, filepath.FromSlash(f.path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range s.links {
		if err := os.Symlink(l[1], filepath.Join(root, l[0])); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, s.dir), 0o755); err != nil {
		t.Fatal(err)
	}
}

// environment is what both processes run with: the shape's own variables and what no process goes without.
func (s *shape) environment(root, home string) []string {
	dir := filepath.Join(root, s.dir)
	all := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "PWD=" + dir, "STACK_TIER=none"}
	for _, v := range s.env {
		all = append(all, strings.ReplaceAll(v, "${SHAPE}", root))
	}
	var env []string
	for _, v := range all {
		name, _, _ := strings.Cut(v, "=")
		if !slices.Contains(s.unset, name) {
			env = append(env, v)
		}
	}
	return env
}
