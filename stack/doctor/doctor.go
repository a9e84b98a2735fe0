// Package doctor says what is wrong with a Compose project, its Dockerfiles, its running services and the machine, why
// that is so, and what to do about it.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/doctor"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/examine"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/provision"
	"github.com/25eloquence/compose-mage/internal/shape"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/stack"
)

// Options are the choices of an examination. The zero value is about the project of the working directory.
type Options struct {
	Files    []string // Compose files, as -f of docker compose takes them; found where none is named
	Services []string // these and what they depend on; empty is all
}

// Examine looks for what is wrong, and changes nothing. That something is wrong is no error of Examine, but of the
// report; an engine that does not answer and files that do not load are findings.
func Examine(ctx context.Context, o Options) (Report, error) {
	found, err := run(ctx, o)
	if err != nil {
		return Report{}, fault.Exit(ctx, err)
	}
	out, err := shape.Into[Report](found)
	out.found = found
	return out, fault.Exit(ctx, err)
}

func run(ctx context.Context, o Options) (examine.Report, error) {
	given, err := look(ctx, o)
	if err != nil {
		return examine.Report{}, err
	}
	return examine.Run(ctx, subject.New(given), checks(o))
}

// look gives what there is to look at.
func look(ctx context.Context, o Options) (given subject.Given, err error) {
	given.Services = o.Services
	if given.StateDir, err = state.Dir(); err != nil {
		return given, err
	}
	setup, err := provision.Load()
	if err != nil {
		return given, err
	}
	if b := cmp.Or(os.Getenv(stack.BuilderVariable), setup.Builder); b != provision.EngineBuilder {
		given.Builder = b
	}
	given.Engine, given.EngineErr = engine.Connect(ctx)
	given.Model, given.ModelErr = compose.Load(ctx, requestOf(o, given))
	if err := ctx.Err(); err != nil {
		return given, err
	}
	// What is wrong with the question is no finding: a name that no service has.
	if asked := (*fault.Error)(nil); errors.As(given.ModelErr, &asked) && asked.Code == fault.Usage {
		asked.Next = "go tool mage doctor"
		return given, asked
	}
	return given, nil
}

// requestOf says how the project is loaded.
func requestOf(o Options, given subject.Given) compose.Request {
	request := compose.Request{Files: o.Files, Services: o.Services}
	if given.EngineErr == nil {
		request.Machine, request.CLI = given.Engine.Machine(), given.Engine.CLI
	}
	return request
}

func checks(o Options) []examine.Check { return append(examine.Checks(), quick(o)) }

// quick has the checks of check.
func quick(o Options) examine.Check {
	return examine.Check{
		Rules: examine.QuickRules,
		Look: func(ctx context.Context, s *subject.Subject) ([]check.Finding, error) {
			if s.Engine != nil && s.Model == nil {
				return machine(ctx, s)
			}
			if _, _, err := s.Connected(); err != nil {
				return nil, err
			}
			opened, err := stack.Open(ctx, stack.Options{Files: o.Files, Output: io.Discard, Errors: io.Discard})
			if err != nil {
				return nil, err
			}
			report, err := opened.Check(ctx, stack.CheckOptions{Services: o.Services})
			if err != nil {
				return nil, err
			}
			all, err := shape.Into[[]finding.Finding](report.Findings)
			return examine.Quick(s.Files, all), err
		},
	}
}

// machine has those of check's findings that need no project.
func machine(ctx context.Context, s *subject.Subject) ([]check.Finding, error) {
	e := s.Engine
	setup, err := provision.Load()
	if err != nil {
		return nil, err
	}
	found := doctor.Machine(ctx, doctor.Input{
		API: e, Host: e.Host, Local: e.Local(), Info: e.Info, Machine: e.Machine(), StateDir: s.StateDir,
		Builder: cmp.Or(os.Getenv(stack.BuilderVariable), setup.Builder), EngineBuilder: provision.EngineBuilder,
	})
	var unseen []string
	for _, r := range examine.QuickRules {
		looked := strings.HasPrefix(r.ID, "disk.") || strings.HasPrefix(r.ID, "machine.") ||
			slices.Contains([]string{"builder.reach", "engine.version"}, r.ID)
		if !looked {
			unseen = append(unseen, r.ID)
		}
	}
	_, why := s.Project()
	return examine.Quick(s.Files, found), check.NotSeenOf(unseen, "%v", why)
}
