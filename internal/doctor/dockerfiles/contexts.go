package dockerfiles

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/buildcontext"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/solve"
	"github.com/25eloquence/compose-mage/internal/ui"
)

var contextRules = []check.Rule{
	{
		ID: "context.unwanted", Title: "files of this machine that a build copies", Where: check.Dockerfile,
		Worst: finding.Warning, Basis: "docs.docker.com/build/concepts/context/#dockerignore-files", Fix: check.Asked,
	},
	{
		ID: "context.large", Title: "a build context as large as a disk image", Where: check.Dockerfile,
		Worst: finding.Warning, Basis: "docs.docker.com/build/concepts/context/#dockerignore-files", Fix: check.NoFix,
	},
}

// walkWithin bounds the look at one context.
const walkWithin = 3 * time.Second

// contextOf looks at the files of a context of which a step takes all: of others the builder is sent what it asks for.
func contextOf(ctx context.Context, d Dockerfile) ([]check.Finding, error) {
	line := takesAll(d)
	if d.Context == "" || line == 0 {
		return nil, nil
	}
	file := d.Path
	if !filepath.IsAbs(file) { // an inline one has no ignore file of its own
		file = ""
	}
	patterns, ignore, err := buildcontext.Ignore(d.Context, file)
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, walkWithin)
	defer cancel()
	survey, err := buildcontext.Take(within, d.Context, patterns)
	if err != nil {
		return nil, check.NotSeen("the build context of %s: %v", strings.Join(d.Services, ", "), err)
	}
	if ignore == "" {
		ignore = filepath.Join(d.Context, buildcontext.DefaultIgnoreFile)
	}
	return append(unwanted(d, survey, ignore, line), large(d, survey, line)...), nil
}

// takesAll gives the line of the first step that copies all of the main context; 0 for none.
func takesAll(d Dockerfile) int {
	plan, err := dockerfile.Parse(string(d.Text), dockerfile.Options{Args: d.Args, Target: d.Target})
	if err != nil {
		return 0 // BuildKit's linter says it
	}
	for _, n := range plan.Nodes {
		if n.Instruction == nil || n.Kind != dockerfile.Copy && n.Kind != dockerfile.Add {
			continue
		}
		if slices.ContainsFunc(n.Sources, func(s dockerfile.Source) bool { return s.Context == "" && s.Whole() }) {
			return n.Instruction.Line
		}
	}
	return 0
}

// junk are names that are of the machine on which a context lies, with what is wrong with each in an image.
var junk = []struct{ name, what string }{
	{".git", "the history of the repository"},
	{"node_modules", "packages installed for another machine"},
	{".venv", "packages installed for another machine"},
	{".env", "settings of this machine, often with secrets"},
}

// unwanted names what of a context is copied though nobody wants it in an image. A Dockerfile that runs git has a use
// for .git, and one that names a file means it.
func unwanted(d Dockerfile, survey buildcontext.Survey, ignore string, line int) []check.Finding {
	var patterns, what []string
	for _, j := range junk {
		if j.name == ".git" && strings.Contains(string(d.Text), "git") ||
			j.name != ".git" && strings.Contains(string(d.Text), j.name) {
			continue
		}
		at := ""
		for _, f := range survey.Walked {
			if p := until(f.Path, j.name); p != "" && (f.Mode.IsDir() || j.name == ".env" || p != f.Path) {
				at = p
				break
			}
		}
		if at == "" {
			continue
		}
		pattern := j.name
		if path.Dir(at) != "." {
			pattern = "**/" + j.name
		}
		patterns, what = append(patterns, pattern), append(what, fmt.Sprintf("%s (%s)", at, j.what))
	}
	if len(what) == 0 {
		return nil
	}
	return []check.Finding{check.Warn("context.unwanted", fault.Quote(patterns...)+" in "+fault.Quote(ignore),
		"line %d copies all of the context, with %s", line, strings.Join(what, ", ")).Of(d.Services...).
		At(check.Place{File: d.Path, Line: line}).
		Because("the stage gets them, and each change of them has that step and all after it run again").
		Edited(check.Asked, check.Edit{File: ignore, Lines: patterns})}
}

// until gives a path up to the element that has the name; "" where none has.
func until(of, name string) string {
	parts := strings.Split(of, "/")
	if i := slices.Index(parts, name); i >= 0 {
		return strings.Join(parts[:i+1], "/")
	}
	return ""
}

func large(d Dockerfile, survey buildcontext.Survey, line int) []check.Finding {
	if survey.Bytes <= solve.LargeContext {
		return nil
	}
	var parts, patterns []string
	for _, e := range survey.Largest {
		parts = append(parts, fmt.Sprintf("%s %s", e.Path, ui.Bytes(e.Bytes)))
		patterns = append(patterns, buildcontext.Pattern(e.Path))
	}
	return []check.Finding{check.Warn("context.large", fault.Quote(patterns...)+" in .dockerignore, but what is needed",
		"line %d copies all of the context, %s in %d files: %s", line, ui.Bytes(survey.Bytes), survey.Files,
		strings.Join(parts, ", ")).Of(d.Services...).At(check.Place{File: d.Path, Line: line}).
		Because("all of that is compared and copied in each build where one file of it changed")}
}
