package bases

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"

	"github.com/25eloquence/compose-mage/internal/dockerfile"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// Refs lists the image references that the project's Dockerfiles start from, as they write them, sorted and without
// repetition: FROM, COPY --from, RUN --mount=from, the frontend named by a syntax line, and additional contexts that
// are images. Left out are stages, scratch, other named contexts, references that name a digest themselves, and
// Dockerfiles in remote contexts, which only the builder can read. Errors are of code Config and say file:line where
// they can.
func Refs(project *types.Project) ([]string, error) {
	found := map[string]string{} // by normalized reference
	var problems []error
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		if service.Build == nil {
			continue
		}
		refs, err := serviceRefs(project.WorkingDir, service)
		if err != nil {
			problems = append(problems, fmt.Errorf("reading the bases of %q: %w", name, err))
			continue
		}
		for _, ref := range refs {
			key, err := normalize(ref)
			if err != nil {
				problems = append(problems, fmt.Errorf("reading the bases of %q: reference %q: %w", name, ref, err))
				continue
			}
			// Of two spellings the shorter one: which service comes first must not matter.
			if old, ok := found[key]; !ok || len(ref) < len(old) || len(ref) == len(old) && ref < old {
				found[key] = ref
			}
		}
	}
	if len(problems) > 0 {
		return nil, fault.New(fault.Config, fault.Correct, "%w", errors.Join(problems...))
	}
	refs := make([]string, 0, len(found))
	for _, ref := range found {
		refs = append(refs, ref)
	}
	slices.Sort(refs)
	return refs, nil
}

// serviceRefs reads one service's Dockerfile, once for each platform: its references may hang on TARGETARCH.
func serviceRefs(workingDir string, service types.ServiceConfig) ([]string, error) {
	b := service.Build
	refs := contextImages(b.AdditionalContexts)
	name, text, err := readDockerfile(workingDir, b)
	if err != nil || text == nil {
		return refs, err
	}
	for _, platform := range targetPlatforms(service) {
		more, err := dockerfileRefs(name, text, dockerfile.Options{
			Args: ownArgs(b.Args), Platform: platform, Builder: "linux/" + runtime.GOARCH,
		}, b.AdditionalContexts)
		if err != nil {
			return nil, err
		}
		refs = append(refs, more...)
	}
	return refs, nil
}

// dockerfileRefs lists the references of one Dockerfile that a digest can lock. name is for errors; contexts are the
// named contexts.
func dockerfileRefs(name string, text []byte, o dockerfile.Options, contexts map[string]string) ([]string, error) {
	var refs []string
	syntax := dockerfile.Syntax(text, o.Args)
	if syntax != "" && lockable(syntax) {
		refs = append(refs, syntax)
	}
	plan, err := dockerfile.Parse(string(text), o)
	if err != nil && syntax != "" {
		return refs, nil // it may be in a language of its own, and the image that reads it is its only base
	}
	if err != nil {
		return nil, dockerfile.Located(name, err)
	}
	if in := plan.Unfilled(); in != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, in.Line, in.Err)
	}
	return append(refs, slices.DeleteFunc(plan.Images(contexts), func(ref string) bool { return !lockable(ref) })...),
		nil
}

// readDockerfile gives the Dockerfile's name and text; nil where only the builder can read it.
func readDockerfile(workingDir string, b *types.BuildConfig) (string, []byte, error) {
	if b.DockerfileInline != "" {
		return "dockerfile_inline", []byte(b.DockerfileInline), nil
	}
	if dockerfile.Remote(b.Context) {
		return "", nil, nil
	}
	context := b.Context
	if !filepath.IsAbs(context) {
		context = filepath.Join(workingDir, context)
	}
	path := dockerfile.Path(context, b.Dockerfile)
	text, err := regular.Read(path, dockerfile.MaxBytes)
	if err != nil {
		return "", nil, err
	}
	if rel, err := filepath.Rel(workingDir, path); err == nil && filepath.IsLocal(rel) {
		path = rel
	}
	return path, text, nil
}

// contextImages lists the additional contexts that are images: "docker-image://alpine:3".
func contextImages(contexts map[string]string) []string {
	var refs []string
	for _, source := range contexts {
		if ref, ok := strings.CutPrefix(source, imageScheme); ok && lockable(ref) {
			refs = append(refs, ref)
		}
	}
	slices.Sort(refs)
	return refs
}

// lockable leaves out scratch, which is no image, and references that name a digest. What is no reference at all stays,
// for Refs to complain about.
func lockable(ref string) bool {
	if ref == "scratch" {
		return false
	}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return true
	}
	_, pinned := named.(reference.Digested)
	return !pinned
}

// targetPlatforms are those that the service is built for, the builder's usual one where it names none.
func targetPlatforms(service types.ServiceConfig) []string {
	switch {
	case len(service.Build.Platforms) > 0:
		return service.Build.Platforms
	case service.Platform != "":
		return []string{service.Platform}
	}
	return []string{"linux/" + runtime.GOARCH}
}

// ownArgs are the build arguments of a service that have a value.
func ownArgs(own types.MappingWithEquals) map[string]string {
	args := map[string]string{}
	for name, value := range own {
		if value != nil {
			args[name] = *value
		}
	}
	return args
}
