package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

// stack is a copy of a Compose stack that the bench may edit.
type stack struct {
	name, title string
	root        string // where mage runs
	compose     string // the Compose file
	services    []string
	service     string // the one that is edited
	source      string // its edited source file
	dockerfile  string
}

// imagesOf reads a stack's name: 0 for "six" and "files", else the number of images to generate.
func imagesOf(name string) (int, error) {
	if name == "six" || name == "files" {
		return 0, nil
	}
	n, err := strconv.Atoi(name)
	if err != nil || n < 1 || n > 999 {
		return 0, fmt.Errorf("reading -stacks: %q is neither six nor files nor a number of images", name)
	}
	return n, nil
}

// makeStack writes the stack, its overlays and lets Mage compile its targets.
func (b *bench) makeStack(ctx context.Context, name string) (*stack, error) {
	n, err := imagesOf(name)
	if err != nil {
		return nil, err
	}
	s, dir := sixServices(b.source), filepath.Join(b.work, "stack-"+name)
	switch {
	case n > 0:
		s, err = generate(dir, b.source, n)
	case name == "files":
		s, err = manyFiles(dir, b.source)
	}
	if err != nil {
		return nil, err
	}
	for _, r := range []request{{}, {from: true}, {to: true}, {from: true, to: true}} {
		if err := os.WriteFile(s.overlay(b, r), []byte(overlayText(b, s, r)), 0o600); err != nil {
			return nil, fmt.Errorf("writing an overlay: %w", err)
		}
	}
	if err := s.change("source"); err != nil {
		return nil, err
	}
	rig.Say("compiling the targets of the stack %q", s.name)
	cmd := mageBuild(b, s, request{ctx: ctx, host: b.host})
	cmd.Args = []string{"go", "tool", "mage", "-l"}
	cmd.Env = append(cmd.Env, "GOFLAGS=-mod=mod")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compiling the targets: %w: %s", err, out)
	}
	return s, nil
}

// sixServices is the stack that the copied repository ships.
func sixServices(source string) *stack {
	return &stack{
		name: "six", title: "the six services", root: source, compose: filepath.Join(source, "compose", "compose.yaml"),
		services:   []string{"redis", "livekit", "whisper-stt", "azure-tts", "api-backend", "eloquence-agent-v1"},
		service:    "api-backend",
		source:     filepath.Join(source, "services", "api-backend", "bench_change.go"),
		dockerfile: filepath.Join(source, "docker", "api-backend.Dockerfile"),
	}
}

// change edits the source file or the Dockerfile, each time to something that no build has seen.
func (s *stack) change(what string) error {
	mark := strconv.FormatInt(time.Now().UnixNano(), 36)
	var err error
	switch what {
	case "source":
		// The condition is never true, and the compiler can't know: the text is in the program.
		text := "package main\n\nimport \"os\"\n\nfunc init() {\n\tif len(os.Args) > 1<<20 {\n" +
			"\t\tprintln(" + strconv.Quote(mark) + ")\n\t}\n}\n"
		err = os.WriteFile(s.source, []byte(text), 0o644)
	case "dockerfile":
		const label = "\nLABEL com.25eloquence.bench="
		var old []byte
		if old, err = os.ReadFile(s.dockerfile); err == nil {
			text, _, _ := strings.Cut(string(old), label)
			err = os.WriteFile(s.dockerfile, []byte(strings.TrimRight(text, "\n")+label+mark+"\n"), 0o644)
		}
	}
	if err != nil {
		return fmt.Errorf("changing the %s: %w", what, err)
	}
	return nil
}

// copyTree copies a repository's files, less its history.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.Name() == ".git":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, info.Mode().Perm())
	})
}
