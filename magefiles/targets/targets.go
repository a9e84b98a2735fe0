//mage:multiline

// Package targets owns the Mage targets: each reads its options, calls the libraries under internal, and returns.
// Other repositories import it with `//mage:import`; every exported function is a target, so nothing else is exported
// but what a magefile needs.
package targets

import (
	"context"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/buildcache"
	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/freezer"
	"github.com/25eloquence/compose-mage/internal/provision"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/rollout"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// ExitUsage is the exit code of a command line that can't be understood, for magefiles that call Arguments themselves.
const ExitUsage = fault.Usage

// session is what most targets need: the engine, the stack fitted to it, and what setup made.
type session struct {
	out    *ui.Out
	engine *engine.Engine
	stack  *compose.Model
	state  provision.State
}

// gcPercent lets the heap grow to some 20 MB before it is collected: loading a Compose file leaves much behind, and most
// targets end before it matters.
const gcPercent = 400

// open connects to the engine and loads the stack for its machine, to start its services. services is a comma-separated
// list; nil means all.
func open(ctx context.Context, services *string) (*session, error) {
	s, err := load(ctx, services, compose.Request{})
	if err != nil {
		return nil, err
	}
	return s, compose.CheckStartable(s.stack.Project)
}

// openUnstarted is open for targets that make none of the stack's containers: as with docker compose, an env_file may be
// missing then, and no service need be enabled.
func openUnstarted(ctx context.Context, services *string) (*session, error) {
	return load(ctx, services, compose.Request{NoEnvFiles: true})
}

// openOnly is openUnstarted with the named services alone, for targets that must not touch what those depend on.
func openOnly(ctx context.Context, services *string) (*session, error) {
	s, err := openUnstarted(ctx, services)
	if err != nil || services == nil {
		return s, err
	}
	named, err := names(services)
	if err != nil {
		return nil, err
	}
	s.stack.Project, err = s.stack.Project.WithSelectedServices(named, types.IgnoreDependencies)
	return s, err
}

// load connects to the engine and loads what r says for its machine; services is as open has it.
func load(ctx context.Context, services *string, r compose.Request) (*session, error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	named, err := names(services)
	if err != nil {
		return nil, err
	}
	e, err := engine.Connect(ctx)
	if err != nil {
		return nil, err
	}
	// Whatever is asked for, and of whichever project: a container that a killed run left frozen serves nobody.
	if err := freezer.ThawLeft(ctx, e); err != nil {
		return nil, err
	}
	r.Services, r.Machine, r.CLI = named, e.Machine(), e.CLI
	s, err := compose.Load(ctx, r)
	if err != nil {
		return nil, err
	}
	made, err := provision.Load()
	if err != nil {
		return nil, err
	}
	if made.Note != "" {
		ui.New(os.Stderr).Warn("%s", made.Note) // what a target prints as JSON stays JSON
	}
	return &session{out: ui.Stdout(), engine: e, stack: s, state: made}, nil
}

// putRight ends what a run that was killed left half done. It is for targets that would not do so anyway; what it says goes beside what
// they print.
func (s *session) putRight(ctx context.Context) {
	out := ui.New(os.Stderr)
	if err := rollout.PutRight(ctx, s.engine, s.stack.Project, out); err != nil && ctx.Err() == nil {
		out.Warn("what an earlier run left half done is left so: %v", err)
	}
}

// lock keeps other runs of ours from changing the same project meanwhile.
func (s *session) lock(ctx context.Context) (func(), error) {
	return state.LockProject(ctx, s.stack.Project.Name, s.out)
}

// names splits a comma-separated list of names; nil is none named. A name that is empty, as of a variable that is not set,
// is an error: it never means all.
func names(list *string) ([]string, error) {
	if list == nil {
		return nil, nil
	}
	var all []string
	for name := range strings.SplitSeq(*list, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			return nil, fault.New(fault.Usage, "leave the option out for all", "an empty name in the list %q: nothing was done", *list)
		}
		all = append(all, name)
	}
	return all, nil
}

// sayFit prints once what the machine made of the stack.
func (s *session) sayFit() {
	tier := s.stack.Tier
	if tier == "" {
		tier = "none"
	}
	m := s.engine.Machine()
	s.out.Info("engine %s, %d CPUs, %s; tier %s", s.engine.Info.ServerVersion, m.CPUs, ui.Bytes(m.Memory), tier)
	for _, n := range s.stack.Notices {
		s.out.Warn("%s", n)
	}
	for _, u := range s.stack.Unheeded {
		s.out.Warn("%s", u)
	}
	if fitted := s.stack.FittedSentence(); fitted != "" {
		s.out.Info("%s", fitted)
	}
}

// builderAddress is BUILDKIT_HOST, or the builder that setup made.
func (s *session) builderAddress() string {
	if host := os.Getenv("BUILDKIT_HOST"); host != "" {
		return host
	}
	return s.state.Builder
}

// connectBuilders dials those builders, or the engine's own where setup found it to do. Of several, those that do not
// answer are left out with a warning; that none does is an error.
func (s *session) connectBuilders(ctx context.Context) ([]*builder.Builder, error) {
	var builders []*builder.Builder
	var failed error
	for address := range strings.SplitSeq(s.builderAddress(), ",") {
		var b *builder.Builder
		var err error
		if address = strings.TrimSpace(address); address == provision.EngineBuilder {
			b, err = builder.ConnectEngine(ctx, s.engine)
		} else {
			b, err = builder.Connect(ctx, address)
		}
		if err == nil {
			builders = append(builders, b)
			continue
		}
		if failed != nil {
			s.out.Warn("%v", failed)
		}
		failed = err
	}
	if len(builders) == 0 {
		return nil, failed
	}
	if failed != nil {
		s.out.Warn("%v", failed)
	}
	return builders, nil
}

// What says where the build cache is, and whether it is written.
const (
	CacheVariable      = "CACHE_REGISTRY" // "host:port", "host/path", "type=…"; "none" for no cache
	CacheWriteVariable = "CACHE_WRITE"    // "false" to read only, as for a pull request from a fork
	CacheMainVariable  = "CACHE_MAIN"     // the branch whose cache every branch reads; "main" by default
)

// cacheRegistry is CACHE_REGISTRY, or the registry that setup made: for its own builder, no other has the keys.
func (s *session) cacheRegistry() string {
	if v := os.Getenv(CacheVariable); v != "" {
		return v
	}
	if s.builderAddress() != s.state.Builder {
		return ""
	}
	return s.state.Registry
}

// cache is where the build cache is for this branch.
func (s *session) cache() (buildcache.Cache, error) {
	c, err := buildcache.Parse(s.cacheRegistry())
	if err != nil || c.Type == "" {
		return c, err
	}
	if host, _, _ := strings.Cut(c.Prefix, "/"); c.Type == "registry" && host == s.state.Registry {
		dir, err := state.Dir()
		if err != nil {
			return c, err
		}
		c.Local = registry.Open(dir, host)
	}
	switch v := os.Getenv(CacheWriteVariable); v {
	case "", "true", "1":
	case "false", "0":
		c.Write = false
	default:
		return c, fault.New(fault.Usage, "unset "+CacheWriteVariable, "%s=%q is neither true nor false", CacheWriteVariable, v)
	}
	if v := os.Getenv(CacheMainVariable); v != "" {
		c.Main, c.Branch = v, v
	}
	if branch := buildcache.Branch(s.stack.Project.WorkingDir, os.LookupEnv); branch != "" {
		c.Branch = branch
	}
	return c, nil
}

// value reads an optional flag.
func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// writeJSON writes what -json prints: one indented value, of a schema that docs/json.md has.
func writeJSON(w io.Writer, v any) error { return ui.WriteJSON(w, v, "  ") }
