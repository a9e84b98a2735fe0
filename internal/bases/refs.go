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

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// Refs lists the image references that the project's Dockerfiles start from, as they write them, sorted and without
// repetition: FROM, COPY --from, RUN --mount=from, the frontend named by a syntax line, and additional contexts that are
// images. Left out are stages, scratch, other named contexts, references that name a digest themselves, and Dockerfiles
// in remote contexts, which only the builder can read. Errors are of code Config and say file:line where they can.
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
	name, data, err := dockerfile(workingDir, b)
	if err != nil || data == nil {
		return refs, err
	}
	for _, platform := range targetPlatforms(service) {
		f := dockerfileReader{name: name, args: buildArgs(b.Args, platform), contexts: b.AdditionalContexts}
		more, err := f.read(data)
		if err != nil {
			return nil, err
		}
		refs = append(refs, more...)
	}
	return refs, nil
}

// dockerfile gives the Dockerfile's name and text; nil where only the builder can read it.
func dockerfile(workingDir string, b *types.BuildConfig) (string, []byte, error) {
	if b.DockerfileInline != "" {
		return "dockerfile_inline", []byte(b.DockerfileInline), nil
	}
	if remote(b.Context) {
		return "", nil, nil
	}
	path := b.Dockerfile
	if path == "" {
		path = "Dockerfile"
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(b.Context, path)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(workingDir, path)
	}
	data, err := regular.Read(path, mostDockerfile)
	if err != nil {
		return "", nil, err
	}
	if rel, err := filepath.Rel(workingDir, path); err == nil && filepath.IsLocal(rel) {
		path = rel
	}
	return path, data, nil
}

// mostDockerfile is the largest Dockerfile that is read, in bytes.
const mostDockerfile = 8 << 20

// remote says whether a build context is fetched by the builder.
func remote(context string) bool {
	return strings.Contains(context, "://") || strings.HasPrefix(context, "git@") || strings.HasPrefix(context, "github.com/")
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

// buildArgs are the arguments that FROM lines may use besides those that the Dockerfile declares: the platform's, as
// BuildKit's frontend sets them, and the service's own, which win.
func buildArgs(own types.MappingWithEquals, platform string) map[string]string {
	part := append(strings.SplitN(platform, "/", 3), "", "")
	args := map[string]string{
		"TARGETPLATFORM": platform, "TARGETOS": part[0], "TARGETARCH": part[1], "TARGETVARIANT": part[2],
		"BUILDPLATFORM": "linux/" + runtime.GOARCH, "BUILDOS": "linux", "BUILDARCH": runtime.GOARCH, "BUILDVARIANT": "",
	}
	for name, value := range own {
		if value != nil {
			args[name] = *value
		}
	}
	return args
}
