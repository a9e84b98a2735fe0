// Package buildplan owns which images of a stack are built, and from what: the build sections of a Compose project as
// a plan, its warnings, and what is wrong with them. It builds nothing, and asks no builder and no registry.
package buildplan

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/buildkit/client"

	"github.com/25eloquence/compose-mage/internal/buildcache"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/regular"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Target is one build: the image of a service, and of all others whose build section says the same.
type Target struct {
	Service  string   // the first of Services, for messages
	Services []string // that it is built for
	// the first service of the whole project with this build: what is remembered, cached and labelled goes by it
	Key        string
	Names      []string // the services' image names, each followed by its build.tags
	Context    string   // absolute directory, or a Git or HTTP address
	Dockerfile string   // absolute path; "" where it is inside a remote context or inline
	Inline     string   // dockerfile_inline
	CacheImage string   // its place in the build cache: "project/service"
	Build      types.BuildConfig
	Platform   string            // "linux/amd64", of a pushed image several with commas; "" leaves it to the builder
	Chosen     bool              // Platform is Options': what the builder lacks is left out
	Local      bool              // never pushed, since the service names no image
	Needs      map[string]Target // by the name of the additional context that is this other target's image
}

// Plan says what a build will do; the services without a build section are named so that nobody looks for them.
type Plan struct {
	Project string
	Dir     string // of the Compose files
	Targets []Target
	Pulled  []string // services that only have an image
	// Warnings name the keys of build sections that have no effect.
	Warnings []string
}

// Options are the choices of a build.
type Options struct {
	NoCache   bool   // build every step again
	Pull      bool   // ask the registries for newer bases
	Push      bool   // the images go to registries, for all of their platforms
	Platforms string // "linux/amd64,linux/arm64"; "" for what each service says, else the builder's
}

// Make reads the project's build sections. A context or Dockerfile that is not there is an error of code Config,
// before anything is built.
func Make(project *types.Project, o Options) (Plan, error) {
	plan := Plan{Project: project.Name, Dir: project.WorkingDir}
	var problems []error
	for _, service := range withNeeded(project) {
		if service.Build == nil {
			plan.Pulled = append(plan.Pulled, service.Name)
			continue
		}
		t, err := target(project, service, o)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		plan.Targets = append(plan.Targets, t)
		plan.Warnings = append(plan.Warnings, warnings(project, service, o)...)
	}
	if len(problems) == 0 {
		plan.merge(project, o)
		problems = plan.attach()
	}
	if len(problems) > 0 {
		return plan, fault.New(fault.Config, fault.Correct, "%w", errors.Join(problems...))
	}
	return plan, nil
}

func target(project *types.Project, service types.ServiceConfig, o Options) (Target, error) {
	b := *service.Build
	b.NoCache, b.Pull = b.NoCache || o.NoCache, b.Pull || o.Pull
	t := Target{
		Service: service.Name, Services: []string{service.Name}, Build: b, Context: b.Context,
		Inline: b.DockerfileInline,
		Names:  append([]string{api.GetImageNameOrDefault(service, project.Name)}, b.Tags...),
		Local:  service.Image == "",
	}
	var err error
	if t.Platform, err = platform(project, service, o); err != nil {
		return t, err
	}
	t.Chosen = o.Platforms != ""
	for _, name := range t.Names {
		if _, err := reference.ParseNormalizedNamed(name); err != nil {
			return t, fmt.Errorf("building %q: image name %q: %w", service.Name, name, err)
		}
	}
	switch b.Network {
	case "", "default", "host", "none":
	default:
		return t,
			fmt.Errorf("building %q: build.network %q: BuildKit has host, none and default", service.Name, b.Network)
	}
	return t, t.find(project.WorkingDir)
}

// find looks for the build context and the Dockerfile.
func (t *Target) find(workingDir string) error {
	if dockerfile.Remote(t.Context) {
		if t.Inline != "" || !filepath.IsAbs(t.Build.Dockerfile) {
			return nil
		}
		// a remote context may be built with a Dockerfile of this machine
		text, err := regular.Read(t.Build.Dockerfile, dockerfile.MaxBytes)
		if err != nil {
			return fmt.Errorf("building %q: Dockerfile: %w", t.Service, err)
		}
		t.Inline = string(text)
		return nil
	}
	if !filepath.IsAbs(t.Context) {
		t.Context = filepath.Join(workingDir, t.Context)
	}
	if info, err := os.Stat(t.Context); err != nil {
		return fmt.Errorf("building %q: build context: %w", t.Service, err)
	} else if !info.IsDir() {
		return fmt.Errorf("building %q: build context %q is not a directory", t.Service, t.Context)
	}
	if t.Inline != "" {
		return nil
	}
	t.Dockerfile = dockerfile.Path(t.Context, t.Build.Dockerfile)
	info, err := os.Stat(t.Dockerfile)
	if err != nil {
		return fmt.Errorf("building %q: Dockerfile: %w%s", t.Service, err, nearbyDockerfile(t.Dockerfile))
	}
	if info.IsDir() {
		return fmt.Errorf("building %q: Dockerfile %q is a directory", t.Service, t.Dockerfile)
	}
	if !info.Mode().IsRegular() { // a pipe would be waited for, a device read without end
		return fmt.Errorf("building %q: Dockerfile %q is no regular file", t.Service, t.Dockerfile)
	}
	return nil
}

// nearbyDockerfile suggests the file of the same directory whose name is most like the Dockerfile's.
func nearbyDockerfile(path string) string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return fault.DidYouMean(filepath.Base(path), names)
}

// Title names the image, and how many services' it is where there are several.
func (t Target) Title() string {
	if len(t.Services) < 2 {
		return t.Names[0]
	}
	return fmt.Sprintf("%s (%d services)", t.Names[0], len(t.Services))
}

// IgnoresCache says whether steps run again of which the builder has the results.
func (t Target) IgnoresCache() bool { return t.Build.NoCache || len(t.Build.NoCacheFilter) > 0 }

// CacheImports lists the caches in which earlier results of the image may be found.
func (t Target) CacheImports(c buildcache.Cache) []client.CacheOptionsEntry {
	return c.Imports(t.CacheImage, t.Build.CacheFrom)
}

// CacheExports lists the caches into which the image's results go, but for one inside the image.
func (t Target) CacheExports(c buildcache.Cache) []client.CacheOptionsEntry {
	return c.Exports(t.CacheImage, t.Build.CacheTo)
}

// InlineCache is the cache that goes into the image itself.
func (t Target) InlineCache() []client.CacheOptionsEntry {
	return buildcache.Inline(t.Build.CacheTo, t.Build.Args)
}

// Print writes the plan, a line per image; c is where the build cache will be written.
func (p Plan) Print(w io.Writer, c buildcache.Cache) {
	for _, t := range p.Targets {
		from := t.Dockerfile
		if t.Inline != "" {
			from = "an inline Dockerfile"
		}
		if from == "" {
			from = t.Context
		}
		ui.Fprintf(w, "build %s from %s", t.Title(), fault.Redact(from))
		for i, e := range t.CacheExports(c) {
			ui.Fprintf(w, "%s %s", map[bool]string{true: ", cache", false: " and"}[i == 0], buildcache.Place(e))
		}
		ui.Fprintf(w, "\n")
	}
	for _, name := range p.Pulled {
		ui.Fprintf(w, "skip %s: it has no build section\n", name)
	}
}
