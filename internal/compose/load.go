// Package compose owns what should be: it finds the Compose files, the environment and the overlays of the machine's
// tier, and loads the model from them as docker compose does. The package reads files and environment and never talks
// to an engine; what the machine's limits make of the model is package fit's, and what x-compose-mage says package
// extension's.
package compose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/fit"
)

// Request says which stack to load. The zero value is the stack of the current directory, whole.
type Request struct {
	Dir      string         // stands for the current directory; "" is that
	Files    []string       // local Compose files, as docker compose's -f; empty finds them
	Services []string       // only these and what they depend on; empty is all
	Also     []string       // where all are meant: these too, though their profiles are not active
	Machine  engine.Machine // the zero value leaves tier and limits as the files have them
	CLI      command.Cli    // for remote Compose files; nil where there is no engine

	AllProfiles bool // every profile's services count, whatever COMPOSE_PROFILES says
	// NoEnvFiles leaves the services' env_file unread, as docker compose does where it makes no container: a missing
	// one is no error then, and what it has is not in the environment. Nor is one container_name for two services an
	// error.
	NoEnvFiles bool
	// Instead has texts that stand for those of Compose files on this machine, by path: how the model would be. What
	// the files include and extend is read as it is.
	Instead map[string][]byte
}

// Model is a Compose project as it was loaded and fitted to the machine.
type Model struct {
	Project  *types.Project // Environment has every variable that docker compose would use, .env files included
	Files    []string       // Compose files, overlays included, in order
	Read     []string       // what the Compose files include and extend, as far as it was read
	Looked   []string       // all files that the model may differ by, also those that are not there
	Tier     string         // "8g", "16g", "32g", or "" where there is no such overlay
	GPU      bool           // the GPU overlay is applied
	Settings Settings       // of docker compose's command
	// limits that fitting lowered, jobs that nobody starts, keys of ours with a new name, one sentence each
	Notices     []string
	Changes     []fit.Change // every value that fitting changed, by service
	IgnoredKeys []IgnoredKey // keys that have no effect on an engine

	explicitFiles bool                     // COMPOSE_FILE or Request.Files says which files are read
	given         map[string]fit.Resources // as the files say, by service
}

// Load finds, reads and fits the stack. Files, environment, project directory, name and profiles are those that
// docker compose's command would take, and the model is the one that it hashes; only where neither COMPOSE_FILE nor
// Request.Files says which files to use, compose/ is searched before the parent directories, and overlays are added.
// Errors are *fault.Error of code Config (with file:line) or Usage (an unknown service or tier, with a suggestion).
func Load(ctx context.Context, r Request) (*Model, error) {
	registerFormats()
	printWarnings()
	dir, err := filepath.Abs(r.Dir)
	if err != nil {
		return nil, fmt.Errorf("resolving %q: %w", r.Dir, err)
	}
	if r.CLI == nil {
		if r.CLI, err = engine.Unconnected(); err != nil {
			return nil, err
		}
	}
	byVariable := remoteLoaders(r.CLI)
	remotes := slices.Collect(maps.Values(byVariable))
	m, e := &Model{}, (*environment)(nil)
	if e, err = m.findFiles(dir, r, remotes); err != nil {
		return nil, err
	}
	inspected, err := inspect(m.Files, projectDirectory(dir, m.Files, remotes), e.vars, remotes)
	if err != nil {
		return nil, err
	}
	l := loading{request: r, model: m, environment: e, remotes: remotes, inspection: inspected}
	l.options = append(e.refusedRemotes(byVariable), inspectedRemotes(byVariable, inspected)...)
	if m.Project, err = l.inTime(ctx); err != nil {
		return nil, err
	}
	m.Read = l.read
	m.Looked = slices.Concat(m.Files, m.Read, e.looked, slices.Collect(maps.Keys(inspected.seen)))
	slices.Sort(m.Looked)
	m.Looked = slices.Compact(m.Looked)
	if m.Notices, err = extension.Check(m.Project, m.LineOf); err != nil {
		return nil, err
	}
	m.Notices = append(m.Notices, ignoredJobs(m.Project)...)
	m.IgnoredKeys = ignoredKeys(m.Project, slices.Concat(m.Files, m.Read), l.ignoredKeys)
	m.given = fit.ResourcesOfAll(m.Project)
	if r.Machine.CPUs > 0 {
		m.Changes = fit.Fit(m.Project, r.Machine)
		m.Notices = append(m.Notices, fit.Notices(m.Changes)...)
	}
	return m, nil
}

// LineOf gives the file:line of a key of the model, or of as much of its path as the files have; "" for none.
func (m *Model) LineOf(path []string) string { return LineOf(slices.Concat(m.Files, m.Read), path) }

// findFiles reads the environment and settles which files are read.
func (m *Model) findFiles(dir string, r Request, remotes []loader.ResourceLoader) (*environment, error) {
	where := dir // docker compose reads the .env of the current directory, but with -f that beside the first file
	for _, file := range r.Files {
		m.Files = append(m.Files, absolute(dir, file))
	}
	if len(m.Files) > 0 {
		where = filepath.Dir(m.Files[0])
	}
	e, err := readEnvironment(dir, where)
	if err != nil {
		return nil, err
	}
	if m.Settings, err = e.settings(); err != nil {
		return nil, err
	}
	if m.explicitFiles = len(m.Files) > 0; !m.explicitFiles {
		if m.Files, m.explicitFiles, err = e.namedFiles(remotes); err != nil {
			return nil, err
		}
	}
	if !m.explicitFiles {
		if m.Files, err = searchFiles(dir); err != nil {
			return nil, err
		}
	}
	if err := e.addEnvFiles(projectDirectory(dir, m.Files, remotes)); err != nil {
		return nil, err
	}
	if !m.explicitFiles {
		return e, m.addOverlays(e.vars, filepath.Dir(m.Files[0]), r.Machine)
	}
	return e, nil
}

// loading is what docker compose's library needs to load the project.
type loading struct {
	request     Request
	model       *Model
	environment *environment
	options     []cli.ProjectOptionsFn
	remotes     []loader.ResourceLoader
	read        []string // what the Compose files include and extend, as far as it was read
	inspection  *inspection
	ignoredKeys []api.UnsupportedAttribute
}

// loadWithin is how long the library may take over files of this machine.
const loadWithin = 45 * time.Second

// inTime loads the project within loadWithin: files on this machine may neither keep the library busy for ever nor
// end the program.
func (l *loading) inTime(ctx context.Context) (*types.Project, error) {
	type result struct {
		project *types.Project
		err     error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r = result{
					err: fault.New(fault.Config, fault.Correct, "%s: docker compose's library can't read it",
						strings.Join(l.model.Files, ", ")),
				}
			}
			done <- r
		}()
		r.project, r.err = l.project(ctx)
	}()
	var late <-chan time.Time
	if !l.inspection.remote { // what is fetched takes its time
		late = time.After(loadWithin)
	}
	select {
	case r := <-done:
		return r.project, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-late:
		return nil, fault.New(fault.Config, "go tool mage check, with fewer services and values in the files",
			"%s: reading takes docker compose's library more than %s", strings.Join(l.model.Files, ", "), loadWithin)
	}
}

// project loads the services that were asked for, as `docker compose up` does before it makes containers.
func (l *loading) project(ctx context.Context) (*types.Project, error) {
	project, err := l.load(ctx, l.request.Services, nil)
	if err == nil && len(l.request.Also) > 0 {
		project, err = l.withAlso(ctx, project)
	}
	if err != nil && len(l.request.Services) > 0 {
		// A name that is no service's has an error of its own, if nothing else is wrong.
		if whole, wholeErr := l.load(ctx, nil, nil); wholeErr == nil {
			err = errors.Join(CheckNames(whole, l.request.Services), err)
		}
	}
	if err == nil && !l.request.NoEnvFiles {
		if project, err = project.WithServicesEnvironmentResolved(true); err == nil {
			err = checkProfiles(project)
		}
		if err == nil {
			err = project.CheckContainerNameUnicity()
		}
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return nil, known
	}
	if err != nil {
		if named := l.environment.badProjectName(); named != nil {
			return nil, named
		}
		return nil, l.inspection.redacted(l.model.Files,
			configError(l.model.Files, slices.Concat(l.read, l.inspection.compose), err), err)
	}
	l.model.Settings.IgnoreOrphans = ignoresOrphans(project.Environment)
	setDefaultPlatform(project)
	return project, nil
}

// withAlso loads the project again where Request.Also names services whose profiles are not active: naming a service
// activates its profiles.
func (l *loading) withAlso(ctx context.Context, project *types.Project) (*types.Project, error) {
	if err := CheckNames(project, l.request.Also); err != nil {
		return nil, err
	}
	profiles := slices.Clone(project.Profiles)
	for _, name := range l.request.Also {
		profiles = append(profiles, project.DisabledServices[name].Profiles...)
	}
	if len(profiles) == len(project.Profiles) {
		return project, nil
	}
	return l.load(ctx, l.request.Services, profiles)
}

// separator stands between the parts of a container's name. Where a project asks for COMPOSE_COMPATIBILITY, the
// library takes another one for the whole process from then on: load sets it back for the next project.
const separator = "-"

// load loads the services with these profiles active; nil stands for the profiles of the environment.
func (l *loading) load(ctx context.Context, services, profiles []string) (*types.Project, error) {
	service, err := compose.NewComposeService(l.request.CLI)
	if err != nil {
		return nil, fmt.Errorf("preparing the Compose library: %w", err)
	}
	e := l.environment
	set := func(o *cli.ProjectOptions) error {
		o.Environment = e.vars.Clone()
		return nil
	}
	options := api.ProjectLoadOptions{
		ConfigPaths: l.model.Files, EnvFiles: e.loaderEnvFiles(), Services: services,
		ProjectOptionsFns: append([]cli.ProjectOptionsFn{set, cli.WithoutEnvironmentResolution}, l.options...),
		LoadListeners:     []api.LoadListener{l.note},
		Profiles:          profiles,

		OnUnsupportedAttribute: func(found []api.UnsupportedAttribute) { l.ignoredKeys = found },
	}
	if l.request.AllProfiles {
		options.Profiles = []string{"*"}
	}
	if api.Separator != separator {
		api.Separator = separator
	}
	remove, err := l.readInstead(&options)
	if err != nil {
		return nil, err
	}
	defer remove()
	project, err := service.LoadProject(ctx, options)
	if err != nil || len(e.envFiles) > 0 {
		return project, err
	}
	for _, s := range project.Services {
		delete(s.CustomLabels, container.EnvironmentFileLabel) // of the file without variables
	}
	return project, nil
}

// note records the files that the Compose files include and extend, for the line of an error.
func (l *loading) note(event string, metadata map[string]any) {
	paths, _ := metadata["path"].(types.StringList) // of an include
	if file, ok := metadata["file"].(string); ok && event == "extends" {
		paths = append(paths, file)
	}
	for _, path := range paths {
		if local(path, l.remotes) {
			path = absolute(filepath.Dir(l.model.Files[0]), path)
		}
		l.read = append(l.read, path)
	}
}

// CheckNames returns a Usage error for the first name that is no service of the project, with the nearest one.
func CheckNames(project *types.Project, names []string) error {
	known := append(project.ServiceNames(), project.DisabledServiceNames()...)
	slices.Sort(known)
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fault.New(fault.Usage, "go tool mage status", "no service %q%s; this stack has %s",
				name, fault.DidYouMean(name, known), strings.Join(known, ", "))
		}
	}
	return nil
}

// configError puts the file and line that a loading error is about before the error, as far as the Compose files, and
// those that they include and extend, show the place.
func configError(files, read []string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	var all []string
	for _, file := range slices.Concat(files, read) {
		if !slices.Contains(all, file) { // one that is there twice would be two places
			all = append(all, file)
		}
	}
	if missing := (*fs.PathError)(nil); errors.As(err, &missing) {
		if where := lineOfPath(all, missing.Path); where != "" {
			return fault.New(fault.Config, fault.Correct, "%s: %w", where, err)
		}
	}
	where, text := locate(all, err.Error())
	if where == "" {
		where = strings.Join(files, ", ")
	}
	return fault.New(fault.Config, fault.Correct, "%s: %s", where, text)
}
