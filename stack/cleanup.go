package stack

import (
	"context"
	"io"

	"github.com/docker/go-units"

	"github.com/25eloquence/compose-mage/internal/cleanup"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// CleanupOptions are the choices of a cleanup. The zero value is the safe one.
type CleanupOptions struct {
	Scope    string   // project, or host: also what nobody uses on the whole machine; "" is project
	Keep     string   // with the scope host: build cache to keep, such as 10GB; "" is 10GB
	Volumes  []string // volumes to remove with their data
	Images   []string // images to remove, by name or ID
	TakeOver bool     // also what another checkout has made under this project's name
	DryRun   bool     // only say what would go
	// Before is called with the plan before anything is removed; an error of its ends the cleanup. Where it is nil
	// the plan is printed.
	Before func(CleanupReport) error
}

// CleanupReport is what goes, or would, and what stays.
type CleanupReport struct {
	Project string        `json:"project"`
	Scope   string        `json:"scope"` // project or host
	DryRun  bool          `json:"dry_run"`
	Bytes   int64         `json:"bytes"` // what goes frees at least this
	Remove  []CleanupItem `json:"remove"`
	Keep    []CleanupItem `json:"keep"`

	printed printed
}

// CleanupItem is one thing that goes or stays.
type CleanupItem struct {
	Kind    string `json:"kind"`         // container, image, network, volume, engine cache or builder cache
	ID      string `json:"id,omitempty"` // as the engine knows it; none for caches
	Name    string `json:"name"`
	Bytes   int64  `json:"bytes"`             // what removing it frees, at least
	Project string `json:"project,omitempty"` // the Compose project; empty where it is nobody's
	Why     string `json:"why"`               // why it goes, or why it stays
	// Unknown is of an image that is not known to be built here, and goes only when named with -images.
	Unknown bool `json:"unknown,omitempty"`
}

// Print writes what goes and what stays, with bytes and reasons.
func (r CleanupReport) Print(w io.Writer) { r.printed.to(w) }

// Validate refuses options that contradict each other.
func (o CleanupOptions) Validate() error {
	_, err := o.internal()
	return err
}

// internal reads what can be understood without an engine.
func (o CleanupOptions) internal() (cleanup.Options, error) {
	out := cleanup.Options{Scope: cleanup.Scope(o.Scope), TakeOver: o.TakeOver, Volumes: o.Volumes, Images: o.Images}
	if o.Keep == "" {
		return out, nil
	}
	if out.Scope == "" || out.Scope == cleanup.Project {
		return out, fault.New(fault.Usage,
			"go tool mage cleanup -scope=host -keep="+fault.Quote(o.Keep)+" -dry-run, to see what else that removes",
			"-keep is for the build caches, which other projects build with too: nothing was done")
	}
	var err error
	if out.CacheBudget, err = units.RAMInBytes(o.Keep); err != nil {
		return out, fault.New(fault.Usage, "", "-keep=%s: %w", o.Keep, err)
	}
	if out.CacheBudget == 0 {
		out.CacheBudget = -1 // to the library 0 is "the default"
	}
	return out, nil
}

// Cleanup removes what is no longer used: by default what is provably this project's and can be made again. No
// volume with data goes that is not named.
func (s *Stack) Cleanup(ctx context.Context, o CleanupOptions) (CleanupReport, error) {
	report, err := s.cleanup(ctx, o)
	return report, fault.Exit(ctx, err)
}

func (s *Stack) cleanup(ctx context.Context, o CleanupOptions) (CleanupReport, error) {
	options, err := o.internal()
	if err != nil {
		return CleanupReport{}, err
	}
	p, err := s.loadWhole(ctx)
	if err != nil {
		return CleanupReport{}, err
	}
	dir, err := state.Dir()
	if err != nil {
		return CleanupReport{}, err
	}
	options.Builds = p.builds(dir)
	if err := options.Builds.Check(); err != nil {
		p.out.Warn("%v", err)
	}
	if clients, closeAll := p.otherBuilders(ctx); len(clients) > 0 {
		defer closeAll()
		options.Builder = cleanup.OnBuildKit(clients...)
	}
	if !o.DryRun {
		p.putRight(ctx)
	}
	release, err := p.lock(ctx)
	if err != nil {
		return CleanupReport{}, err
	}
	defer release()
	if !o.TakeOver {
		if err := container.RefuseOthers(ctx, p.engine, p.model.Project, "cleanup"); err != nil {
			return CleanupReport{}, err
		}
	}
	plan, err := cleanup.MakePlan(ctx, p.engine, p.model.Project, options)
	if err != nil {
		return CleanupReport{}, err
	}
	report, err := shaped[CleanupReport](plan.Report(o.DryRun))
	if err != nil {
		return report, err
	}
	report.printed = func(to *ui.Out) { plan.Print(to) }
	if o.Before == nil {
		plan.Print(p.out)
	} else if err := o.Before(report); err != nil {
		return report, err
	}
	if o.DryRun {
		return report, nil
	}
	return report, cleanup.Execute(ctx, p.engine, plan, p.out)
}
