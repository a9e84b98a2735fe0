package stack

import (
	"context"
	"io"
	"path/filepath"
	"strings"

	"github.com/25eloquence/compose-mage/internal/buildcache"
	"github.com/25eloquence/compose-mage/internal/builddisplay"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/explain"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/image"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/trace"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// BuildOptions are the choices of a build.
type BuildOptions struct {
	Services []string // these; empty is all
	// Dependencies asks for the images of what the services depend on too; docker compose build builds the named
	// ones alone.
	Dependencies bool
	NoCache      bool   // build every step again
	Pull         bool   // ask the registries for newer bases, and move docker/bases.lock to them
	FailFast     bool   // end the other images when one fails
	Push         bool   // push to the registries that the image names say, in place of loading into the engine
	Attest       bool   // with Push: provenance and SBOM attestations
	Platform     string // with Push: linux/amd64,linux/arm64, those that the builder has; "" for its own
	Progress     string // auto, plain, tty, quiet or rawjson; "" is auto
}

// Validate refuses options that contradict each other.
func (o BuildOptions) Validate() error {
	if !o.Push && (o.Attest || o.Platform != "") {
		return fault.New(fault.Usage, "add -push",
			"-attest and -platform are for images that are pushed: an engine holds neither")
	}
	return nil
}

// BuildReport is what became of the images.
type BuildReport struct {
	Images []ImageResult `json:"images"` // nil where no build was begun
}

// ImageResult is what became of one image.
type ImageResult struct {
	Service  string   `json:"service"`            // whose build section it is
	Services []string `json:"services,omitempty"` // where the image is that of several
	Image    string   `json:"image"`              // its first name
	// ID is sha256:… of the configuration, or of the manifest where the image was pushed.
	ID     string `json:"id,omitempty"`
	State  string `json:"state"`  // unchanged, loaded, pushed or failed
	Steps  int    `json:"steps"`  // of its Dockerfile
	Cached int    `json:"cached"` // steps that the build cache had
	Built  int    `json:"built"`  // steps that ran; of a failed image some did neither
	// LoadedBytes were streamed to the engine: 0 where the engine had the image or built it itself.
	LoadedBytes int64    `json:"loadedBytes"`
	Seconds     float64  `json:"seconds"`
	Warnings    []string `json:"warnings,omitempty"` // the image is right, but its cache was not read or written
	Error       string   `json:"error,omitempty"`
}

// BuildPlan is what a build would build.
type BuildPlan struct {
	Images   []PlannedImage
	Pulled   []string // services without a build section
	Warnings []string // of what the Compose files ask for and a build does not do

	printed printed
}

// PlannedImage is an image that a build would build.
type PlannedImage struct {
	Service  string   // whose build section it is
	Services []string // whose image it is
	Names    []string // which it gets
}

// Print writes the plan as -dry-run does.
func (p BuildPlan) Print(w io.Writer) { p.printed.to(w) }

// Build builds the images in parallel, and loads what changed into the engine or pushes it. An image that fails
// stops no other; the report says which did, and the error why.
func (s *Stack) Build(ctx context.Context, o BuildOptions) (BuildReport, error) {
	report, err := s.build(ctx, o)
	return report, fault.Exit(ctx, err)
}

// PlanBuild says what Build would build. It asks no builder and no registry.
func (s *Stack) PlanBuild(ctx context.Context, o BuildOptions) (BuildPlan, error) {
	plan, err := s.planBuild(ctx, o)
	return plan, fault.Exit(ctx, err)
}

func (s *Stack) planBuild(ctx context.Context, o BuildOptions) (BuildPlan, error) {
	p, err := s.loadToBuild(ctx, o)
	if err != nil {
		return BuildPlan{}, err
	}
	plan, cache, err := p.imagePlan(o)
	if err != nil {
		return BuildPlan{}, err
	}
	out := BuildPlan{Pulled: plan.Pulled, Warnings: plan.Warnings, printed: func(to *ui.Out) {
		plan.Print(to.Writer(), cache)
		for _, w := range plan.Warnings {
			to.Warn("%s", w)
		}
	}}
	for _, t := range plan.Targets {
		out.Images = append(out.Images, PlannedImage{Service: t.Service, Services: t.Services, Names: t.Names})
	}
	return out, nil
}

func (s *Stack) build(ctx context.Context, o BuildOptions) (BuildReport, error) {
	p, err := s.loadToBuild(ctx, o)
	if err != nil {
		return BuildReport{}, err
	}
	p.putRight(ctx)
	plan, cache, err := p.imagePlan(o)
	if err != nil {
		return BuildReport{}, err
	}
	if len(plan.Targets) == 0 {
		p.out.Warn("no service to build: %s without a build section", strings.Join(plan.Pulled, ", "))
		return BuildReport{Images: []ImageResult{}}, nil
	}
	ctx, done := trace.Begin(ctx, "build", p.model.Project.Name)
	results, err := p.buildImages(ctx, o, plan, cache)
	if p.keep(done); results == nil {
		return BuildReport{}, err
	}
	report := BuildReport{Images: []ImageResult{}}
	for _, r := range results {
		report.Images = append(report.Images, imageResult(r))
	}
	return report, err
}

func imageResult(r image.Result) ImageResult {
	out := ImageResult{
		Service: r.Target.Service, Image: r.Target.Names[0], ID: r.ID, State: string(r.State),
		Steps: r.Steps, Cached: r.Cached, Built: r.Built, LoadedBytes: r.Loaded, Seconds: r.Took.Seconds(),
		Warnings: r.Warnings,
	}
	if len(r.Target.Services) > 1 {
		out.Services = r.Target.Services
	}
	if r.Err != nil {
		out.Error = r.Err.Error()
	}
	return out
}

// loadToBuild reads the project with what is to be built.
func (s *Stack) loadToBuild(ctx context.Context, o BuildOptions) (*project, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	load := s.loadOnly
	if o.Dependencies {
		load = s.loadUnstarted
	}
	p, err := load(ctx, o.Services)
	if err != nil {
		return nil, err
	}
	return p, compose.CheckPlatforms(p.model.Project)
}

// imagePlan is what is built, with which cache.
func (p *project) imagePlan(o BuildOptions) (buildplan.Plan, buildcache.Cache, error) {
	cache, err := p.cache()
	if err != nil {
		return buildplan.Plan{}, cache, err
	}
	if err := builddisplay.Check(o.progress()); err != nil {
		return buildplan.Plan{}, cache, err
	}
	plan, err := buildplan.Make(p.model.Project, buildplan.Options{
		NoCache: o.NoCache, Pull: o.Pull, Push: o.Push, Platforms: o.Platform,
	})
	return plan, cache, err
}

func (o BuildOptions) progress() string {
	if o.Progress == "" {
		return "auto"
	}
	return o.Progress
}

// buildImages builds what is planned; the results are nil where nothing was begun.
func (p *project) buildImages(
	ctx context.Context, o BuildOptions, plan buildplan.Plan, cache buildcache.Cache,
) ([]image.Result, error) {
	builders, err := p.connectBuilders(ctx)
	if err != nil {
		return nil, err
	}
	defer closeBuilders(builders)
	dir, err := state.Dir()
	if err != nil {
		return nil, err
	}
	if o.Pull {
		if err := p.moveLock(ctx, builders[0]); err != nil {
			return nil, err
		}
	}
	environment, err := p.buildEnvironment(dir)
	if err != nil {
		return nil, err
	}
	p.out.Title("building %d images", len(plan.Targets))
	return image.Build(ctx, plan, image.Options{
		Builders: builders, Engine: p.engine, Out: p.out, Progress: o.progress(), Cache: cache,
		Memory:  filepath.Join(dir, "images"),
		Explain: explain.NewStore(filepath.Join(dir, "inputs")),
		Builds:  p.builds(dir), FailFast: o.FailFast, Push: o.Push, Attest: o.Attest, Environment: environment,
	})
}

// builds is the record of the project's built images. dir is the state's.
func (p *project) builds(dir string) *builds.Store {
	return builds.Open(dir, p.model.Project.Name, p.model.Project.WorkingDir, p.engine.Info.ID)
}
