package records

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// buildsCheck asks the record of each image's last build.
var buildsCheck = check.Check[*subject.Subject]{
	Rules: []check.Rule{
		recordRule("build.cache-mount", "a slow install that keeps nothing for the next one", finding.Info,
			"docs.docker.com/build/cache/optimize/#use-cache-mounts", check.NoFix),
		recordRule("build.cache-miss", "a slow install that ran again for a file that it does not need", finding.Info,
			"docs.docker.com/build/cache/optimize/#order-your-layers", check.NoFix),
	},
	Look: func(_ context.Context, s *subject.Subject) ([]check.Finding, error) {
		project, err := s.Project()
		if err != nil {
			return nil, err
		}
		plan, err := buildplan.Make(project, buildplan.Options{})
		if err != nil {
			return nil, err
		}
		store := buildinputs.NewStore(filepath.Join(s.StateDir, "inputs"))
		var out []check.Finding
		var unknown []string
		for _, t := range plan.Targets {
			r := store.Last(plan.Project, t.Key)
			if r == nil {
				unknown = append(unknown, t.Service)
				continue
			}
			out = append(out, built(t, r)...)
		}
		if len(unknown) > 0 {
			return out, check.NotSeen("nothing is known of a build of %s on this machine", strings.Join(unknown, ", "))
		}
		return out, nil
	},
}

// slow is how many seconds a step has to have taken for a word about it.
const slow = 10

// installers are commands that fetch what a project needs, and where the next run of them looks for what is there.
var installers = []struct {
	command *regexp.Regexp
	cache   string
}{
	{regexp.MustCompile(`\bapt(-get)? .*\binstall\b`), "/var/cache/apt"},
	{regexp.MustCompile(`\bpip3? install\b`), "/root/.cache/pip"},
	{regexp.MustCompile(`\b(poetry|uv) (install|sync|pip install)\b`), "/root/.cache"},
	{regexp.MustCompile(`\bnpm (ci|install|i)\b`), "/root/.npm"},
	{regexp.MustCompile(`\byarn( install)?\b`), "/usr/local/share/.cache/yarn"},
	{regexp.MustCompile(`\bpnpm (install|i)\b`), "/root/.local/share/pnpm/store"},
	{regexp.MustCompile(`\bgo mod download\b`), "/go/pkg/mod"},
	{regexp.MustCompile(`\bgo (build|install)\b`), "/root/.cache/go-build"},
	{regexp.MustCompile(`\bcargo (build|install|fetch)\b`), "/usr/local/cargo/registry"},
	{regexp.MustCompile(`\b(mvn|mvnw) .*\b(package|install|verify|go-offline)\b`), "/root/.m2"},
	{regexp.MustCompile(`\b(gradle|gradlew) .*\b(build|assemble|bootJar)\b`), "/root/.gradle"},
	{regexp.MustCompile(`\bbundle install\b`), "/usr/local/bundle/cache"},
	{regexp.MustCompile(`\bcomposer install\b`), "/tmp/cache"},
	{regexp.MustCompile(`\bdotnet (restore|publish|build)\b`), "/root/.nuget/packages"},
}

// compiles are those of the installers that need the source code itself.
var compiles = regexp.MustCompile(`\b(go (build|install)|cargo (build|install)|mvnw? .*\b(package|install|verify)|` +
	`gradlew? .*\b(build|assemble|bootJar)|dotnet (publish|build))\b`)

// installer gives the command of a step that installs, and the cache that would keep what it fetched; "" for none.
func installer(step string) (command, cache string) {
	for _, i := range installers {
		if command = i.command.FindString(step); command != "" {
			return command, i.cache
		}
	}
	return "", ""
}

// built judges what the last build of an image did.
func built(t buildplan.Target, r *buildinputs.Record) []check.Finding {
	plan, err := r.Plan()
	if err != nil || r.Failed {
		return nil
	}
	ran, cached := map[int]buildinputs.StepState{}, false // by line
	for _, s := range r.Steps {
		ran[s.Line] = s
		cached = cached || s.State == buildinputs.Cached
	}
	file := t.Dockerfile
	if file == "" {
		file = "build.dockerfile_inline of " + t.Service
	}
	var out []check.Finding
	for _, stage := range plan.Stages {
		if !plan.Reached[stage] {
			continue
		}
		out = append(out, cacheMounts(t, file, stage, ran)...)
		if cached && !r.NoCache { // else the builder had nothing
			out = append(out, cacheMisses(t, file, stage, ran)...)
		}
	}
	return out
}

func cacheMounts(t buildplan.Target, file string, stage *dockerfile.Stage, ran map[int]buildinputs.StepState,
) []check.Finding {
	var out []check.Finding
	for _, n := range stage.Nodes {
		if n.Kind != dockerfile.Run || n.Instruction == nil || strings.Contains(n.Instruction.Full, "type=cache") {
			continue
		}
		s := ran[n.Instruction.Line]
		command, cache := installer(n.Instruction.Full)
		if command == "" || s.State != buildinputs.Ran || s.Seconds <= slow {
			continue
		}
		out = append(out, check.Tell("build.cache-mount",
			"RUN --mount=type=cache,target="+fault.Quote(cache)+" … in the Dockerfile",
			"%s took %s in the last build, and begins with nothing each time it runs", shortened(command),
			seconds(s.Seconds)).Of(t.Services...).At(check.Place{File: file, Line: n.Instruction.Line}).
			Because("a cache mount keeps what was fetched from one build to the next, and out of the image"))
	}
	return out
}

// lists are names of files that list what is installed: when they change, an install has to run again.
var lists = regexp.MustCompile(`^(package.*\.json|.*[.-]lock(\.json|\.yaml)?|.*\.lockb?|go\.(mod|sum)|` +
	`.*requirements.*\.txt|Pipfile|pyproject\.toml|setup\.(py|cfg)|Gemfile|composer\.json|Cargo\.toml|pom\.xml|` +
	`.*\.gradle(\.kts)?|.*\.csproj|.*\.sln|\.npmrc|\.yarnrc.*|\.mvn|mvnw|gradlew)$`)

// cacheMisses finds an install that ran again since files changed that an earlier step of the stage copies, where those
// are not what lists the things to install.
func cacheMisses(t buildplan.Target, file string, stage *dockerfile.Stage, ran map[int]buildinputs.StepState,
) []check.Finding {
	for i, n := range stage.Nodes {
		if n.Instruction == nil || n.Kind == dockerfile.From || !n.IsStep() ||
			ran[n.Instruction.Line].State == buildinputs.Cached {
			continue
		}
		if n.Kind != dockerfile.Copy || !copiesMore(n) || ran[n.Instruction.Line].State != buildinputs.Ran {
			return nil // something else made the stage run
		}
		for _, later := range stage.Nodes[i+1:] {
			if later.Kind != dockerfile.Run || later.Instruction == nil ||
				compiles.MatchString(later.Instruction.Full) {
				continue
			}
			s := ran[later.Instruction.Line]
			command, _ := installer(later.Instruction.Full)
			if command == "" || s.State != buildinputs.Ran || s.Seconds <= slow {
				continue
			}
			return []check.Finding{check.Tell("build.cache-miss",
				"COPY what "+fault.Quote(shortened(command))+" reads before it, and the rest after it",
				"in the last build %s ran again for %s, since a file that line %d copies had changed",
				shortened(command), seconds(s.Seconds), n.Instruction.Line).Of(t.Services...).
				At(check.Place{File: file, Line: n.Instruction.Line},
					check.Place{File: file, Line: later.Instruction.Line}).
				Because("a step runs again when anything changed that an earlier one copied; go tool mage explain %s "+
					"says which files", fault.Quote(t.Service))}
		}
		return nil
	}
	return nil
}

// copiesMore says whether a step copies files of the main context, and not only lists of what is installed.
func copiesMore(n *dockerfile.Node) bool {
	return slices.ContainsFunc(n.Sources, func(s dockerfile.Source) bool {
		return s.Context == "" && (s.All || !lists.MatchString(path.Base(s.Path)))
	})
}

func seconds(n float64) string { return fmt.Sprintf("%.0f s", n) }

func shortened(command string) string {
	if words := strings.Fields(command); len(words) > 3 {
		return strings.Join(words[:3], " ")
	}
	return command
}

// grewCheck compares an image with the one that the build before gave its service, where the engine still has that.
var grewCheck = check.Check[*subject.Subject]{
	Rules: []check.Rule{recordRule("image.grew", "an image that a build made much larger", finding.Info,
		"docs.docker.com/build/building/best-practices/", check.NoFix)},
	Look: func(ctx context.Context, s *subject.Subject) ([]check.Finding, error) {
		e, project, err := s.Connected()
		if err != nil {
			return nil, err
		}
		images, err := s.Images(ctx)
		if err != nil {
			return nil, err
		}
		all := builds.Open(s.StateDir, project.Name, project.WorkingDir, e.Info.ID).Records()
		var out []check.Finding
		for _, name := range project.ServiceNames() {
			image, here := images.Of(project.Name, project.Services[name])
			id := earlier(all, name, image.ID)
			if !here || project.Services[name].Build == nil || id == "" {
				continue
			}
			before, err := e.ImageInspect(ctx, id)
			if cerrdefs.IsNotFound(err) {
				continue
			}
			if err != nil {
				return out, fmt.Errorf("inspecting the image that %q had before: %w", name, err)
			}
			out = append(out, grew(name, before.Size, image.Size)...)
		}
		return out, nil
	},
}

// earlier gives the image that a service had before this one; "" where that is not on record. The last built is first.
func earlier(all []builds.Record, service, id string) string {
	found := false
	for _, r := range all {
		switch {
		case r.Service != service:
		case r.ID == id:
			found = true
		case found:
			return r.ID
		}
	}
	return ""
}

// What an image has to have grown by.
const (
	grewPercent = 10
	grewBytes   = 20 << 20
)

func grew(service string, before, now int64) []check.Finding {
	more := now - before
	if before <= 0 || more < grewBytes || more*100 < before*grewPercent {
		return nil
	}
	return []check.Finding{check.Tell("image.grew", "docker history of the image of "+fault.Quote(service)+
		" names the layer; go tool mage explain "+fault.Quote(service)+" what changed",
		"its image is %s, and was %s before the last build", ui.Bytes(now), ui.Bytes(before)).Of(service).
		Because("it takes that much more of each disk and each transfer")}
}
