package stack

import (
	"cmp"
	"context"
	"io"
	"time"

	"github.com/25eloquence/compose-mage/internal/cleanup"
	"github.com/25eloquence/compose-mage/internal/dashboard"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/page"
	"github.com/25eloquence/compose-mage/internal/record"
	"github.com/25eloquence/compose-mage/internal/serve"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// MonitorOptions are the choices of a look at a running stack.
type MonitorOptions struct {
	Services []string      // only these; empty is all
	Every    time.Duration // of Watch: between two looks; 0 is 1 s for the live view, 2 s for lines
	Print    bool          // Monitor prints while it looks: states at once, rates and findings half a second later
}

// Snapshot is the state of a project at one moment.
type Snapshot struct {
	Time    time.Time `json:"time"`
	Project string    `json:"project"`
	CPUs    int       `json:"machine_cpus"`
	Memory  int64     `json:"machine_memory_bytes"`
	// Services are in the order of their names; a service that should run but has no container is one too.
	Services []Replica `json:"services"`
	Disk     Disk      `json:"disk"`
	Findings []Finding `json:"findings"`

	printed printed
}

// Replica is one container of a service, or the lack of one.
type Replica struct {
	Service   string `json:"service"`
	Container string `json:"container,omitempty"` // its name
	ID        string `json:"id,omitempty"`
	Image     string `json:"image,omitempty"`  // as the container was made from it: redis:7
	Orphan    bool   `json:"orphan,omitempty"` // the model no longer has this service
	// State is the engine's: created, running, paused, restarting, removing, exited or dead; or missing, surplus,
	// provider or gone.
	State  string `json:"state"`
	Health string `json:"health,omitempty"` // starting, healthy or unhealthy; empty without a health check
	// HealthOutput is the first line of what the last failed health check said.
	HealthOutput string    `json:"health_output,omitempty"`
	ResponseMS   float64   `json:"health_check_ms"`           // how long the last check took; 0 where none ran yet
	Checked      time.Time `json:"health_check_end,omitzero"` // when that check ended

	CPUPercent       float64 `json:"cpu_percent"`           // of one core, as docker stats counts
	CPULimit         float64 `json:"cpu_limit_cores"`       // 0: none
	CPULimitPercent  float64 `json:"cpu_percent_of_limit"`  // of the limit, or of the whole machine where there is none
	ThrottledPercent float64 `json:"cpu_throttled_percent"` // scheduler periods in which the limit held it back
	MemoryUsed       int64   `json:"memory_used_bytes"`     // without the inactive file cache, as docker stats counts
	MemoryLimit      int64   `json:"memory_limit_bytes"`    // 0: none
	MemoryPercent    float64 `json:"memory_percent"`        // of the limit, or of the machine where there is none

	// Source is where the figures of CPU, memory, network and block I/O are from: cgroup v1, cgroup v2, hybrid or
	// engine; empty where none were taken.
	Source   string    `json:"source,omitempty"`
	Counters Counters  `json:"counters"`          // what the kernel has counted since the container started
	Rates    Rates     `json:"rates"`             // what happened a second between two samples
	Written  int64     `json:"layer_bytes"`       // into the container's own layer, as the engine last told
	Answer   Answer    `json:"response,omitzero"` // of the service itself
	Log      LogErrors `json:"log,omitzero"`

	Restarts int       `json:"restarts"`
	OOMKills int       `json:"oom_kills"`
	ExitCode int       `json:"last_exit_code"` // meaningful where the container ended at least once
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	Expected bool      `json:"expected"` // the project wants it to run, and for ever (not a job that may end with 0)
	// Verdict is what start and status say of it.
	Verdict Verdict `json:"verdict"`
	Error   string  `json:"error,omitempty"` // why it could not be looked at, or not sampled
}

// Verdict is what one container is, and whether that is as it should be.
type Verdict struct {
	Container string `json:"container,omitempty"` // its name; "" where a service has none, or not as many as it should
	// Condition is running, healthy, starting, done, scaled to 0 or provider, or one that is not fine.
	Condition string `json:"condition"`
	Fine      bool   `json:"fine"` // as it should be
	// Why are words that follow the container's name, also where it is fine and there is something to tell.
	Why  string `json:"why,omitempty"`
	Next string `json:"next,omitempty"`     // the command that helps; "" where it is fine
	End  *End   `json:"end,omitempty"`      // nil where it runs, or never did
	Last *End   `json:"last_end,omitempty"` // how it ended before, where it runs again; nil where that was wished
}

// End is how a container ended.
type End struct {
	Cause  string    `json:"cause"`            // out of memory, stop timeout and others, as docs/start.md has them
	Code   int       `json:"exit_code"`        // of its first process; -1 where nobody knows it any more
	Signal int       `json:"signal,omitempty"` // that ended it, as far as its exit code tells; 0 for none
	Error  string    `json:"error,omitempty"`  // the engine's words where it could not start
	At     time.Time `json:"at,omitzero"`
	// ChildKilled says that the kernel killed another of its processes for want of memory.
	ChildKilled bool `json:"child_oom_killed,omitempty"`
	// OrHost says that it may have been the machine's memory instead of that of its own limit.
	OrHost  bool    `json:"or_host,omitempty"`
	Limit   int64   `json:"memory_limit_bytes,omitempty"` // 0 for none
	Process string  `json:"killed_process,omitempty"`     // that the kernel killed; "" where its log does not tell
	Grace   float64 `json:"grace_seconds,omitempty"`      // that a stop gave it, where that was too short
	Gone    bool    `json:"evidence_gone,omitempty"`      // the engine no longer has what would tell
}

// Disk is the engine's use of disk, as docker system df shows it, and the space left where the engine's files can
// be seen.
type Disk struct {
	// At is when the engine was asked what it stores; zero where it has not answered yet, and the uses are not known.
	At         time.Time `json:"at,omitzero"`
	Images     DiskUse   `json:"images"`
	Containers DiskUse   `json:"containers"`
	Volumes    DiskUse   `json:"volumes"`
	BuildCache DiskUse   `json:"build_cache"`
	Root       string    `json:"data_root"`
	Space      *Space    `json:"space,omitempty"` // of the data root; nil where the engine is elsewhere
}

// DiskUse is one line of docker system df.
type DiskUse struct {
	Total       int64 `json:"total"`
	Active      int64 `json:"active"`
	Size        int64 `json:"size_bytes"`
	Reclaimable int64 `json:"reclaimable_bytes"`
}

// Space is a file system's.
type Space struct {
	Free  int64 `json:"free_bytes"`  // what an ordinary user may still write
	Total int64 `json:"total_bytes"` // the file system's size
}

// DiskReport is everything that the engine stores and every build cache, for all projects, as docker system df -v,
// network ls and volume ls list it.
type DiskReport struct {
	Items []DiskItem `json:"items"` // by kind, the largest first

	printed printed
}

// DiskItem is one thing that is stored.
type DiskItem struct {
	Kind string `json:"kind"` // image, container, volume, network or cache
	Name string `json:"name"` // an image's tags, or where it has none the beginning of its ID
	ID   string `json:"id,omitempty"`
	// Bytes are its own and those it shares with other images; 0 for a network; -1 where the size is not known.
	Bytes  int64 `json:"bytes"`
	Shared int64 `json:"shared_bytes"` // of an image's bytes, those in layers of other images too
	// Owner are the Compose projects that it belongs to or whose containers use it; empty for none.
	Owner []string `json:"owner"`
	Users []string `json:"users"` // names of the containers that use it, whatever their state
}

// Print writes the snapshot as a table, with what is wrong and what to do about it.
func (s Snapshot) Print(w io.Writer) { s.printed.to(w) }

// Print writes a line for each thing.
func (r DiskReport) Print(w io.Writer) { r.printed.to(w) }

// Monitor looks once at CPU, memory, health, restarts, OOM kills and disk use.
func (s *Stack) Monitor(ctx context.Context, o MonitorOptions) (Snapshot, error) {
	snapshot, err := s.snapshot(ctx, o)
	return snapshot, fault.Exit(ctx, err)
}

func (s *Stack) snapshot(ctx context.Context, o MonitorOptions) (Snapshot, error) {
	p, err := s.loadOnly(ctx, o.Services)
	if err != nil {
		return Snapshot{}, err
	}
	p.putRight(ctx)
	found, err := monitor.Show(ctx, p.engine, p.model.Project, p.engine.Machine(), p.out, o.Print)
	if err != nil {
		return Snapshot{}, err
	}
	out, err := shaped[Snapshot](found)
	out.printed = func(to *ui.Out) { found.Print(to) }
	return out, err
}

// Watch shows the project until ctx is cancelled, or its reader ends that: as the live view where Options.Output is a
// terminal, else as lines that are appended. Neither end is an error.
func (s *Stack) Watch(ctx context.Context, o MonitorOptions) error {
	p, err := s.loadOnly(ctx, o.Services)
	if err != nil {
		return fault.Exit(ctx, err)
	}
	p.putRight(ctx)
	live := dashboard.Suits(p.out)
	if o.Every == 0 {
		o.Every = 2 * time.Second
		if live {
			o.Every = time.Second
		}
	}
	observer := monitor.NewObserver(p.engine, p.model.Project, p.engine.Machine(), o.Every)
	show := func() error { return monitor.Watch(ctx, observer, p.out) }
	if live {
		show = func() error {
			return dashboard.Run(ctx, dashboard.Options{
				Project: p.model.Project, Every: o.Every, Observer: observer, Engine: p.engine.APIClient, Out: p.out,
				Restart: func(ctx context.Context, service string, out io.Writer) error {
					_, err := s.printingTo(out).Restart(ctx, RestartOptions{Services: []string{service}})
					return err
				},
			})
		}
	}
	err = record.While(ctx, p.model.Project.Name, observer, p.errors, live,
		func(*record.Recorder) error { return show() })
	if ctx.Err() != nil {
		return nil
	}
	return fault.Exit(ctx, err)
}

// printingTo is the stack with another reader, beside whom the first one goes on.
func (s *Stack) printingTo(w io.Writer) *Stack {
	other := *s
	other.out, other.errors, other.options.Output, other.options.Errors = ui.New(w), ui.New(w), w, w
	return &other
}

// ServeOptions are the choices of a server that watches a running stack.
type ServeOptions struct {
	// Listen is the address of the page: host and port. "" is 127.0.0.1 and a port that is free, or that of the server
	// which ended a moment ago.
	Listen string
	Every  time.Duration // between two looks; 0 is 2 s
	Logs   bool          // the page shows the services' logs, too
	Test   bool          // instead, those who get alerts are told once that it is a test
}

// Serve watches the project and shows it on a web page until ctx is cancelled, which is no error. It prints the page's
// address, with the token without which nobody gets anything. Where the engine goes away the page says so.
func (s *Stack) Serve(ctx context.Context, o ServeOptions) error {
	p, err := s.loadWhole(ctx)
	if err != nil {
		return fault.Exit(ctx, err)
	}
	p.putRight(ctx)
	return fault.Exit(ctx, serve.Run(ctx, serve.Options{
		Engine: p.engine, Model: p.model, Named: s.options.Files, Out: p.out, Listen: o.Listen,
		Every: cmp.Or(o.Every, 2*time.Second), Logs: o.Logs, Test: o.Test,
	}))
}

// MonitorServed gives the newest snapshot of the server that this user runs for the project, and a sentence that says
// so; false where there is none, or it can't say what is asked for. No engine is asked for it.
func MonitorServed(ctx context.Context, project Options, o MonitorOptions) (Snapshot, string, bool) {
	if len(o.Services) == 0 {
		o.Services = project.Services
	}
	found, record, ok := page.Ask(ctx, page.Caller(project.Files), o.Services)
	if !ok {
		return Snapshot{}, "", false
	}
	out, err := shaped[Snapshot](found)
	out.printed = func(to *ui.Out) { found.Print(to) }
	return out, record.Says(found), err == nil
}

// ProjectName is the project's name, as docker compose has it. A service that the project lacks is an error.
func (s *Stack) ProjectName(ctx context.Context, services []string) (string, error) {
	p, err := s.loadOnly(ctx, services)
	if err != nil {
		return "", fault.Exit(ctx, err)
	}
	return p.model.Project.Name, nil
}

// Disk lists what the engine stores, for all projects.
func (s *Stack) Disk(ctx context.Context) (DiskReport, error) {
	var cache monitor.BuildCache
	if clients, closeAll := s.otherBuilders(ctx); len(clients) > 0 {
		defer closeAll()
		cache = cleanup.OnBuildKit(clients...)
	}
	found, err := monitor.TakeDisk(ctx, s.engine, cache)
	if err != nil {
		return DiskReport{}, fault.Exit(ctx, err)
	}
	out, err := shaped[DiskReport](found)
	out.printed = func(to *ui.Out) { found.Print(to) }
	return out, fault.Exit(ctx, err)
}
