// Package stack opens a Compose project on a machine and checks, builds, starts, watches and cleans it. It is what
// the Mage targets are made of, for programs and magefiles that want more than those: no part of it knows of Mage.
//
//	s, err := stack.Open(ctx, stack.Options{})
//	if err != nil {
//		return err
//	}
//	if _, err := s.Build(ctx, stack.BuildOptions{Services: []string{"api"}}); err != nil {
//		return err
//	}
//	if _, err := s.Start(ctx, stack.StartOptions{Timeout: 2 * time.Minute}); err != nil {
//		return err
//	}
//	report, err := s.Status(ctx, stack.StatusOptions{})
//
// The project is that of the working directory, found, read and named as docker compose does, with its environment;
// each method reads it anew. Beside the methods there are functions of a context alone, such as [Build] and
// [Start], for mg.CtxDeps and the like: they open the project of the working directory, or the one that
// [WithOptions] put into the context.
//
// What a method does it says on Options.Output while it does it. What it finds it returns; such a report has a
// Print method and marshals to the JSON of docs/json.md. Every error says what failed and what to run next, and has
// a method ExitStatus with the exit code that docs/errors.md gives: 130 where ctx was cancelled.
package stack

import (
	"context"
	"io"
	"os"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/freezer"
	"github.com/25eloquence/compose-mage/internal/provision"
	"github.com/25eloquence/compose-mage/internal/rollout"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/status"
	"github.com/25eloquence/compose-mage/internal/trace"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Options say which project is opened, and where its methods print. The zero value is the project of the working
// directory.
type Options struct {
	// Files are Compose files, as -f of docker compose takes them. Where none is named they are found as docker
	// compose finds them, and the overlays for the machine's memory and GPU that stand beside them are added.
	Files []string
	// Services are those that a method is about where its own options name none; empty is all. Cleanup and Smoke
	// are always about the whole project.
	Services []string
	// Output gets progress, plans and logs; os.Stdout where it is nil.
	Output io.Writer
	// Errors gets warnings that must not stand between results; os.Stderr where it is nil.
	Errors io.Writer
}

// Stack is a Compose project on a machine. Its methods may be called one after the other, not at the same time.
type Stack struct {
	options Options
	out     *ui.Out
	errors  *ui.Out
	engine  *engine.Engine
	setup   provision.State
}

// Open connects to the engine that docker's own command would take: that of DOCKER_HOST, else of the current
// context. The Compose files are read by the methods, so Open says nothing of them.
func Open(ctx context.Context, o Options) (*Stack, error) {
	s := unconnected(o)
	var err error
	if s.engine, err = engine.Connect(ctx); err != nil {
		return nil, fault.Exit(ctx, err)
	}
	// Whatever is asked for, and of whichever project: a container that a killed run left frozen serves nobody.
	if err := freezer.ThawLeft(ctx, s.engine); err != nil {
		return nil, fault.Exit(ctx, err)
	}
	if s.setup, err = provision.Load(); err != nil {
		return nil, fault.Exit(ctx, err)
	}
	if s.setup.Note != "" {
		s.errors.Warn("%s", s.setup.Note)
	}
	return s, nil
}

// unconnected is a stack without an engine, for what needs none.
func unconnected(o Options) *Stack {
	if o.Output == nil {
		o.Output = os.Stdout
	}
	if o.Errors == nil {
		o.Errors = os.Stderr
	}
	return &Stack{options: o, out: ui.New(o.Output), errors: ui.New(o.Errors)}
}

// project is the Compose project as one method has read it.
type project struct {
	*Stack
	model *compose.Model
	named []string // the services that are asked for; empty is all
}

// servicesOf gives the services that a method is about: those of its own options, else those of the stack's.
func (s *Stack) servicesOf(named []string) []string {
	if len(named) == 0 {
		return s.options.Services
	}
	return named
}

// load reads the project with the named services and what they depend on; none named is all.
func (s *Stack) load(ctx context.Context, named []string, r compose.Request) (*project, error) {
	defer trace.Of(ctx).Time("read the Compose files")()
	r.Files, r.Services, r.Machine, r.CLI = s.options.Files, named, s.engine.Machine(), s.engine.CLI
	model, err := compose.Load(ctx, r)
	if err != nil {
		return nil, err
	}
	return &project{Stack: s, model: model, named: named}, nil
}

// loadToStart reads the project to make its containers.
func (s *Stack) loadToStart(ctx context.Context, named []string) (*project, error) {
	p, err := s.load(ctx, s.servicesOf(named), compose.Request{})
	if err != nil {
		return nil, err
	}
	return p, compose.CheckStartable(p.model.Project)
}

// loadUnstarted reads the project for a method that makes no container of it: as with docker compose, an env_file
// may be missing then, and no service need be enabled.
func (s *Stack) loadUnstarted(ctx context.Context, named []string) (*project, error) {
	return s.load(ctx, s.servicesOf(named), compose.Request{NoEnvFiles: true})
}

// loadWhole is loadUnstarted with all services, whatever the options name.
func (s *Stack) loadWhole(ctx context.Context) (*project, error) {
	return s.load(ctx, nil, compose.Request{NoEnvFiles: true})
}

// loadOnly is loadUnstarted with the named services alone, for a method that must not touch what those depend on.
func (s *Stack) loadOnly(ctx context.Context, named []string) (*project, error) {
	p, err := s.loadUnstarted(ctx, named)
	if err != nil || len(p.named) == 0 {
		return p, err
	}
	p.model.Project, err = p.model.Project.WithSelectedServices(slices.Clone(p.named), types.IgnoreDependencies)
	return p, err
}

// putRight ends what a run that was killed left half done. It is for methods that would not do so anyway.
func (p *project) putRight(ctx context.Context) {
	if err := rollout.PutRight(ctx, p.engine, p.model.Project, p.errors); err != nil && ctx.Err() == nil {
		p.errors.Warn("what an earlier run left half done is left so: %v", err)
	}
}

// lock keeps other runs of ours from changing the same project meanwhile.
func (p *project) lock(ctx context.Context) (func(), error) {
	defer trace.Of(ctx).Time("wait for other runs")()
	return state.LockProject(ctx, p.model.Project.Name, p.out)
}

// sayFit prints once what the machine made of the stack.
func (p *project) sayFit() {
	tier := p.model.Tier
	if tier == "" {
		tier = "none"
	}
	m := p.engine.Machine()
	p.out.Info("engine %s, %d CPUs, %s; tier %s", p.engine.Info.ServerVersion, m.CPUs, ui.Bytes(m.Memory), tier)
	for _, n := range p.model.Notices {
		p.out.Warn("%s", n)
	}
	for _, u := range p.model.IgnoredKeys {
		p.out.Warn("%s", u)
	}
	if fitted := p.model.FittedSentence(); fitted != "" {
		p.out.Info("%s", fitted)
	}
}

// sayMisfits warns of limits that the engine did not put in force, and of sums that exceed the machine.
func (p *project) sayMisfits(ctx context.Context) {
	found, err := status.Misfits(ctx, p.engine, p.model.Project)
	if err != nil {
		p.out.Warn("what the engine made of the limits is not known: %v", err)
	}
	for _, text := range found {
		p.out.Warn("%s", text)
	}
}
