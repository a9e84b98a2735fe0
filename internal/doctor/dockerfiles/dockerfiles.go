// Package dockerfiles owns the checks of the Dockerfiles that a project builds images from: BuildKit's own linter, and
// the order of steps that makes builds slow. It builds nothing and asks no registry.
package dockerfiles

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// Dockerfile is one that images are built from.
type Dockerfile struct {
	Path     string // as it is shown: of an inline one the Compose file's key
	Text     []byte
	Args     map[string]string
	Target   string
	Context  string // the directory; "" where it is not on this machine
	Services []string
}

// Checks gives the checks of Dockerfiles.
func Checks() []check.Check[*subject.Subject] {
	return []check.Check[*subject.Subject]{
		{Rules: lintRules, Look: each(lintFile)},
		{Rules: orderRules, Look: each(func(_ context.Context, d Dockerfile) ([]check.Finding, error) {
			return copiedEarly(d), nil
		})},
		{Rules: contextRules, Look: each(contextOf)},
	}
}

// each looks at every Dockerfile of the project.
func each(look func(context.Context, Dockerfile) ([]check.Finding, error),
) func(context.Context, *subject.Subject) ([]check.Finding, error) {
	return func(ctx context.Context, s *subject.Subject) ([]check.Finding, error) {
		project, err := s.Project()
		if err != nil {
			return nil, err
		}
		plan, err := buildplan.Make(project, buildplan.Options{})
		if err != nil {
			return nil, err
		}
		files, err := read(plan)
		var out []check.Finding
		for _, d := range files {
			found, failed := look(ctx, d)
			out, err = append(out, found...), errors.Join(err, failed)
		}
		return out, err
	}
}

// read reads the Dockerfiles of a plan, one that several images are built from once for each target and arguments.
func read(plan buildplan.Plan) ([]Dockerfile, error) {
	var all []Dockerfile
	var failed []error
	for _, t := range plan.Targets {
		d := Dockerfile{
			Path: t.Dockerfile, Text: []byte(t.Inline), Args: map[string]string{}, Target: t.Build.Target,
			Services: []string{t.Service},
		}
		if !dockerfile.Remote(t.Build.Context) {
			d.Context = t.Build.Context
		}
		switch {
		case t.Inline != "":
			d.Path = "build.dockerfile_inline of " + t.Service
		case t.Dockerfile == "":
			failed = append(failed, check.NotSeen("the build context of %s is on another machine", t.Service))
			continue
		default:
			text, err := regular.Read(t.Dockerfile, dockerfile.MaxBytes)
			if err != nil {
				failed = append(failed, fmt.Errorf("reading the Dockerfile of %s: %w", t.Service, err))
				continue
			}
			d.Text = text
		}
		for name, value := range t.Build.Args {
			if value != nil {
				d.Args[name] = *value
			}
		}
		same := func(o Dockerfile) bool { return o.Path == d.Path && o.Target == d.Target }
		if i := slices.IndexFunc(all, same); i >= 0 {
			all[i].Services = append(all[i].Services, t.Service)
			continue
		}
		all = append(all, d)
	}
	return all, errors.Join(failed...)
}

var orderRules = []check.Rule{{
	ID: "build.copy-early", Title: "all files copied before the dependencies are installed", Where: check.Dockerfile,
	Worst: finding.Warning, Basis: "docs.docker.com/build/cache/optimize/",
}}

// installs are the commands that install what a file of the context lists.
var installs = []struct {
	command *regexp.Regexp
	list    string
}{
	{regexp.MustCompile(`\bpip3? install\b.*(-r|--requirement)`), "requirements.txt"},
	{regexp.MustCompile(`\bnpm (ci|install|i)\s*($|&|;|--)`), "package.json"},
	{regexp.MustCompile(`(^RUN |&& |; )(yarn|pnpm)( i| install)?\s*($|&|;|--)`), "package.json"},
	{regexp.MustCompile(`\bgo mod download\b`), "go.mod"},
	{regexp.MustCompile(`\bbundle install\b`), "Gemfile"},
	{regexp.MustCompile(`\bcomposer install\b`), "composer.json"},
	{regexp.MustCompile(`\b(poetry|uv) (install|sync)\b`), "pyproject.toml"},
}

// copiedEarly finds a stage that copies the whole context, and then installs what one file of it lists.
func copiedEarly(d Dockerfile) []check.Finding {
	if d.Context == "" {
		return nil
	}
	plan, err := dockerfile.Parse(string(d.Text), dockerfile.Options{Args: d.Args, Target: d.Target})
	if err != nil {
		return nil // BuildKit's linter says it
	}
	var out []check.Finding
	for _, stage := range plan.Stages {
		copied := 0
		for _, n := range stage.Nodes {
			if n.Instruction == nil {
				continue
			}
			text := strings.Join(strings.Fields(n.Instruction.Full), " ")
			if n.Kind == dockerfile.Copy && wholeContext.MatchString(text) {
				copied = max(copied, n.Instruction.Line)
			}
			if n.Kind != dockerfile.Run || copied == 0 || strings.Contains(text, "--mount=type=cache") {
				continue
			}
			if command, list := installed(text, d.Context); list != "" {
				out = append(out, check.Warn("build.copy-early", "COPY "+list+" first, install, then COPY the rest",
					"all files are copied before %s", command).Of(d.Services...).
					At(check.Place{File: d.Path, Line: copied}, check.Place{File: d.Path, Line: n.Instruction.Line}).
					Because("a change of any file has all dependencies installed again"))
				copied = 0
			}
		}
	}
	return out
}

// installed gives the command of a step that installs what a file of the context lists, and that file; "" for none.
func installed(step, context string) (command, list string) {
	for _, i := range installs {
		if command = i.command.FindString(step); command != "" && there(context, i.list) {
			return strings.TrimPrefix(strings.Trim(command, " &;"), "RUN "), i.list
		}
	}
	return "", ""
}

// wholeContext is an instruction that copies all of the main context.
var wholeContext = regexp.MustCompile(`(?i)^(COPY|ADD)( --(chown|chmod|link)\S*)* \.?/? \S+$`)

func there(dir, name string) bool {
	_, err := regular.Read(filepath.Join(dir, name), dockerfile.MaxBytes)
	return err == nil
}
