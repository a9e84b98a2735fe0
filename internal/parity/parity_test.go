//go:build integration

package parity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/pinned"
)

// The issue asks for so many shapes.
const (
	wantLoaded  = 120
	wantRefused = 25
)

// reading is what one of the two made of a shape.
type reading struct {
	Refusal     string // "" where it was loaded
	Fault       bool   // ours: the refusal is a fault of the files or of the environment
	Name        string
	Dir         string   // "" where docker compose did not come as far as making a container
	Files       []string // as Dir
	Containers  []string // as Dir: service, name and image of the first that it makes; ours of each service's first
	Services    []string
	Profiles    []string
	Environment []string
	Hashes      map[string]string
	Model       string // the project as indented JSON
}

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(child())
	}
	os.Exit(m.Run())
}

// Docker compose and we read each shape in its directory and environment. Files, project name and directory, profiles,
// environment, services, the config hash of every service and the whole model are equal; what docker compose
// refuses we refuse, with the file, and the line where a key is at fault.
func TestShapesLoadAsDockerComposeLoadsThem(t *testing.T) {
	paths, err := pinned.Build(t.Context(), "docker-compose")
	if err != nil {
		t.Fatal(err)
	}
	shapes := readShapes(t)
	var loaded, refused, created atomic.Int32
	t.Run("shapes", func(t *testing.T) {
		running := make(chan struct{}, 2*runtime.NumCPU())
		for _, s := range shapes {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				running <- struct{}{}
				defer func() { <-running }()
				root, err := filepath.EvalSymlinks(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				s.write(t, filepath.Join(root, s.name))
				p := process{shape: s, root: filepath.Join(root, s.name), home: root, engine: serveEngine(t)}
				theirs, ours := p.theirs(t, paths[0]), p.ours(t)
				if s.fails {
					refused.Add(1)
					compareRefusal(t, s, p.root, theirs, ours)
					return
				}
				loaded.Add(1)
				if theirs.Dir != "" {
					created.Add(1)
				}
				compareReadings(t, theirs, ours)
			})
		}
	})
	t.Logf("%d shapes loaded, %d refused; docker compose said files and directory of %d",
		loaded.Load(), refused.Load(), created.Load())
	// With -run only some are read.
	whole := int(loaded.Load()+refused.Load()) == len(shapes)
	if whole && (loaded.Load() < wantLoaded || refused.Load() < wantRefused || created.Load() < loaded.Load()*9/10) {
		t.Error("too few")
	}
}

func compareRefusal(t *testing.T, s *shape, root string, theirs, ours reading) {
	t.Helper()
	if theirs.Refusal == "" {
		t.Fatal("docker compose loads it: the shape is wrong")
	}
	if ours.Refusal == "" {
		t.Fatalf("we load what docker compose refuses: %s", theirs.Refusal)
	}
	if s.refused == "" {
		if !ours.Fault {
			t.Errorf("our refusal is no fault of files or environment: %s", ours.Refusal)
		}
		return
	}
	want := regexp.MustCompile(regexp.QuoteMeta(filepath.Join(root, s.refused)) + `(\D|$)`)
	if !want.MatchString(ours.Refusal) || !ours.Fault {
		t.Errorf("our refusal does not name %s (a fault of files or environment: %v)\nours:   %s\ntheirs: %s",
			s.refused, ours.Fault, ours.Refusal, theirs.Refusal)
	}
}

func compareReadings(t *testing.T, theirs, ours reading) {
	t.Helper()
	if theirs.Refusal != "" {
		t.Fatalf("docker compose refuses it, the shape is wrong: %s", theirs.Refusal)
	}
	if ours.Refusal != "" {
		t.Fatalf("we refuse what docker compose loads: %s", ours.Refusal)
	}
	if theirs.Dir != "" {
		compareText(t, "directory", theirs.Dir, ours.Dir)
		if !slices.Contains(ours.Containers, theirs.Containers[0]) {
			t.Errorf("container: theirs %s, ours %s", theirs.Containers[0], strings.Join(ours.Containers, ", "))
		}
		compareText(t, "files", strings.Join(theirs.Files, "\n"), strings.Join(ours.Files, "\n"))
	}
	compareText(t, "name", theirs.Name, ours.Name)
	compareText(t, "services", strings.Join(theirs.Services, "\n"), strings.Join(ours.Services, "\n"))
	compareText(t, "profiles", strings.Join(theirs.Profiles, "\n"), strings.Join(ours.Profiles, "\n"))
	compareText(t, "environment", strings.Join(theirs.Environment, "\n"), strings.Join(ours.Environment, "\n"))
	for name, hash := range theirs.Hashes {
		if ours.Hashes[name] != hash {
			t.Errorf("config hash of %q: theirs %s, ours %s", name, hash, ours.Hashes[name])
		}
	}
	compareText(t, "model", theirs.Model, ours.Model)
}

// compareText names the lines that only one of the two has.
func compareText(t *testing.T, what, theirs, ours string) {
	t.Helper()
	if theirs == ours {
		return
	}
	left, right := strings.Split(theirs, "\n"), strings.Split(ours, "\n")
	var lines []string
	for _, l := range left {
		if !slices.Contains(right, l) {
			lines = append(lines, "  theirs: "+l)
		}
	}
	for _, r := range right {
		if !slices.Contains(left, r) {
			lines = append(lines, "  ours:   "+r)
		}
	}
	if len(lines) == 0 {
		lines = []string{"  the same lines in another order or number:", theirs, "  ours:", ours}
	}
	t.Errorf("%s:\n%s", what, strings.Join(lines, "\n"))
}

// process is what both run a shape with.
type process struct {
	shape  *shape
	root   string // the shape's files
	home   string
	engine *fakeEngine
}

func (p process) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir = filepath.Join(p.root, p.shape.dir)
	c.Env = append(p.shape.environment(p.root, p.home), "DOCKER_HOST="+p.engine.host)
	return c
}

// theirs asks docker compose.
func (p process) theirs(t *testing.T, program string) reading {
	t.Helper()
	run := func(args ...string) (string, error) {
		c := p.command(program, args...)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		out, err := c.Output()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, stderr.String())
		}
		return string(out), err
	}
	model, err := run("config", "--format", "json")
	if err != nil {
		return reading{Refusal: err.Error()}
	}
	r := reading{Model: indent(t, []byte(strings.ReplaceAll(model, "$$", "$"))), Hashes: map[string]string{}}
	lines := func(args ...string) []string {
		out, err := run(append([]string{"config"}, args...)...)
		if err != nil {
			r.Refusal = err.Error()
		}
		return sortedLines(out)
	}
	r.Environment = lines("--environment")
	if p.shape.hasProfiles() { // a process less for the others
		r.Profiles = lines("--profiles")
	}
	for _, line := range lines("--hash", "*") {
		name, hash, _ := strings.Cut(line, " ")
		r.Services, r.Hashes[name] = append(r.Services, name), hash
	}
	var named struct{ Name string }
	if err := json.Unmarshal([]byte(model), &named); err != nil {
		t.Fatal(err)
	}
	r.Name = named.Name
	// The fake engine refuses the first container, so docker compose fails; the labels are what is wanted.
	_, err = run("create", "--no-build", "--pull", "never")
	c := p.engine.firstContainer()
	if c == nil {
		t.Logf("docker compose create made no container: %v", err)
		return r
	}
	labels := c.Labels
	// Which of several replicas comes first is chance.
	name := strings.TrimRight(c.Name, "0123456789")
	r.Containers = []string{strings.Join([]string{labels[api.ServiceLabel], name, c.Image}, " ")}
	r.Dir, r.Files = labels[api.WorkingDirLabel], strings.Split(labels[api.ConfigFilesLabel], ",")
	return r
}

// ours asks our Load in a process of its own: it reads the environment and the working directory.
func (p process) ours(t *testing.T) reading {
	t.Helper()
	c := p.command(os.Args[0])
	// A process under the race detector sleeps for a second before it exits.
	c.Env = append(c.Env, childVariable+"=1", raceVariable+"=atexit_sleep_ms=0")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("our process: %v\n%s", err, stderr.String())
	}
	var r reading
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(errors.Join(err, errors.New(string(out))))
	}
	if r.Model != "" {
		r.Model = indent(t, []byte(r.Model))
	}
	return r
}

func indent(t *testing.T, data []byte) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	out, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func sortedLines(text string) []string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if text == "" {
		lines = nil
	}
	slices.Sort(lines)
	return lines
}
