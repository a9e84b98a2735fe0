// Package image owns the images of a stack: which are built and how (a plan), building them in parallel on BuildKit
// with a registry cache, and handing the engine those that changed. BuildKit alone decides what is stale.
package image

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"
	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/explain"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// Target is one image to build.
type Target struct {
	Service    string
	Names      []string // the service's image name first, then build.tags
	Context    string   // absolute directory, or a Git or HTTP address
	Dockerfile string   // absolute path; "" where it is inside a remote context or inline
	Inline     string   // dockerfile_inline
	CacheImage string   // its place in the build cache: "project/service"
	Build      types.BuildConfig
	Platform   string
	Needs      map[string]Target // by the name of the additional context that is this other target's image
}

// Plan says what a build will do; the services without a build section are named so that nobody looks for them.
type Plan struct {
	Project string
	Dir     string // of the Compose files
	Targets []Target
	Pulled  []string // services that only have an image
}

// PlanOptions are the choices of a build.
type PlanOptions struct {
	NoCache   bool   // build every step again
	Platforms string // "linux/amd64,linux/arm64"; "" for what each service says, else the builder's
}

// MakePlan reads the project's build sections. A context or Dockerfile that is not there is an error of code Config,
// before anything is built.
func MakePlan(project *types.Project, o PlanOptions) (Plan, error) {
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
	}
	if len(problems) == 0 {
		problems = plan.attach()
	}
	if len(problems) > 0 {
		return plan, fault.New(fault.Config, "", "%w", errors.Join(problems...))
	}
	return plan, nil
}

func target(project *types.Project, service types.ServiceConfig, o PlanOptions) (Target, error) {
	b := *service.Build
	b.NoCache = b.NoCache || o.NoCache
	t := Target{
		Service: service.Name, Build: b, Context: b.Context, Inline: b.DockerfileInline, Platform: service.Platform,
		Names:      append([]string{api.GetImageNameOrDefault(service, project.Name)}, b.Tags...),
		CacheImage: project.Name + "/" + strings.ToLower(service.Name),
	}
	if o.Platforms != "" {
		t.Platform = o.Platforms
	}
	for _, name := range t.Names {
		if _, err := reference.ParseNormalizedNamed(name); err != nil {
			return t, fmt.Errorf("building %q: image name %q: %w", service.Name, name, err)
		}
	}
	if remote(b.Context) {
		return t, nil
	}
	if !filepath.IsAbs(t.Context) {
		t.Context = filepath.Join(project.WorkingDir, t.Context)
	}
	if info, err := os.Stat(t.Context); err != nil {
		return t, fmt.Errorf("building %q: build context: %w", service.Name, err)
	} else if !info.IsDir() {
		return t, fmt.Errorf("building %q: build context %q is not a directory", service.Name, t.Context)
	}
	if t.Inline != "" {
		return t, nil
	}
	t.Dockerfile = b.Dockerfile
	if t.Dockerfile == "" {
		t.Dockerfile = "Dockerfile"
	}
	if !filepath.IsAbs(t.Dockerfile) {
		t.Dockerfile = filepath.Join(t.Context, t.Dockerfile)
	}
	if info, err := os.Stat(t.Dockerfile); err != nil {
		return t, fmt.Errorf("building %q: Dockerfile: %w%s", service.Name, err, nearbyDockerfile(t.Dockerfile))
	} else if info.IsDir() {
		return t, fmt.Errorf("building %q: Dockerfile %q is a directory", service.Name, t.Dockerfile)
	}
	return t, nil
}

// Explained is the target as explain takes it.
func (t Target) Explained(project string) explain.Image {
	return explain.Image{
		Project: project, Service: t.Service, Context: t.Context, Dockerfile: t.Dockerfile, Inline: t.Inline, Platform: t.Platform, Build: t.Build,
	}
}

// nearbyDockerfile suggests the file of the same directory whose name is nearest.
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

// remote says whether a build context is fetched by the builder.
func remote(context string) bool {
	return strings.Contains(context, "://") || strings.HasPrefix(context, "git@") || strings.HasPrefix(context, "github.com/")
}

// Print writes the plan, a line per image; c is where the build cache will be written.
func (p Plan) Print(w io.Writer, c Cache) {
	for _, t := range p.Targets {
		from := t.Dockerfile
		if t.Inline != "" {
			from = "an inline Dockerfile"
		}
		if from == "" {
			from = t.Context
		}
		fmt.Fprintf(w, "build %s from %s", t.Names[0], from)
		for i, e := range t.exports(c) {
			fmt.Fprintf(w, "%s %s", map[bool]string{true: ", cache", false: " and"}[i == 0], place(e))
		}
		fmt.Fprintln(w)
	}
	for _, name := range p.Pulled {
		fmt.Fprintf(w, "skip %s: it has no build section\n", name)
	}
}

// buildArgs gives the target's arguments (the loader has filled in values that the file leaves to the environment) and
// the host's proxies, which Dockerfiles know without declaring them.
func (t Target) buildArgs(env func(string) (string, bool)) map[string]string {
	args := map[string]string{}
	for _, proxy := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"} {
		for _, name := range []string{proxy, strings.ToLower(proxy)} {
			if v, ok := env(name); ok && v != "" {
				args[name] = v
			}
		}
	}
	for name, value := range t.Build.Args {
		if value != nil {
			args[name] = *value
		}
	}
	return args
}

// labels are what Compose puts on the images it builds, so that cleanup can prove whose they are.
func (t Target) labels(project string) map[string]string {
	labels := map[string]string{api.ProjectLabel: project, api.ServiceLabel: t.Service}
	for k, v := range t.Build.Labels {
		labels[k] = v
	}
	return labels
}
