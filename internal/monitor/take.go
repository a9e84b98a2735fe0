package monitor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// API is what a snapshot asks of the engine; *engine.Engine has it.
type API interface {
	ContainerList(context.Context, client.ContainerListOptions) (client.ContainerListResult, error)
	ContainerInspect(context.Context, string, client.ContainerInspectOptions) (client.ContainerInspectResult, error)
	ContainerStats(context.Context, string, client.ContainerStatsOptions) (client.ContainerStatsResult, error)
	DiskUsage(context.Context, client.DiskUsageOptions) (client.DiskUsageResult, error)
	Events(context.Context, client.EventsListOptions) client.EventsResult
	DaemonHost() string
}

// Take looks at every container of the project, at its disk and at its recent events; it takes a little over
// SampleInterval, whatever the number of containers. Containers started by docker compose are seen too.
func Take(ctx context.Context, api API, project *types.Project, machine engine.Machine) (Snapshot, error) {
	s := Snapshot{Time: time.Now(), Project: project.Name, CPUs: machine.CPUs, Memory: machine.Memory}
	var disk Disk
	var diskErr error
	var wait sync.WaitGroup
	wait.Go(func() { disk, diskErr = takeDisk(ctx, api) })
	services, err := takeServices(ctx, api, project, machine)
	wait.Wait()
	if err != nil {
		return s, err
	}
	if diskErr != nil {
		return s, diskErr
	}
	others, err := container.Checkouts(ctx, api, project)
	if err != nil {
		return s, err
	}
	s.Services, s.Disk = services, disk
	for i := range s.Services {
		s.Services[i].Written = disk.layers[s.Services[i].ID]
	}
	s.Findings = findings(s)
	for _, c := range others {
		text, next := c.Says(project)
		s.Findings = append(s.Findings, finding.Warn("project.other-checkout", next, "%s", text))
	}
	return s, nil
}

func takeServices(ctx context.Context, e API, project *types.Project, machine engine.Machine) ([]Replica, error) {
	list, err := e.ContainerList(ctx, client.ContainerListOptions{
		All:     true,
		Filters: client.Filters{}.Add("label", container.ProjectLabel+"="+project.Name, container.OneOffLabel+"=False"),
	})
	if err != nil {
		return nil, fmt.Errorf("listing the containers of %q: %w", project.Name, err)
	}
	kills := oomEvents(ctx, e, project.Name, list.Items)
	replicas := make([]Replica, len(list.Items))
	var wait sync.WaitGroup
	for i, c := range list.Items {
		wait.Go(func() {
			r := takeReplica(ctx, e, c, machine)
			r.OOMKills = max(r.OOMKills, kills[c.ID])
			replicas[i] = r
		})
	}
	wait.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, r := range replicas {
		if fault.EngineLost(r.lost) { // it is away for the others too
			return nil, fmt.Errorf("looking at %q: %w", r.Container, r.lost)
		}
	}
	byStop := container.EndedByStop(project.Name)
	for _, r := range replicas {
		if r.seen != nil {
			r.seen.Stopped = byStop(r.seen.InspectResponse)
		}
	}
	return compareWithModel(replicas, project, now(e)), nil
}

// now is the time by the engine's clock, as far as that is known.
func now(e API) time.Time {
	if known, ok := e.(*engine.Engine); ok {
		return known.Now()
	}
	return time.Now()
}

// takeReplica inspects one container, and samples it where it runs. What can't be had of it is said in its row: the
// others' rows don't depend on it.
func takeReplica(ctx context.Context, e API, listed moby.Summary, machine engine.Machine) Replica {
	r := Replica{Service: listed.Labels[container.ServiceLabel], ID: listed.ID, State: string(listed.State)}
	if len(listed.Names) > 0 {
		r.Container = strings.TrimPrefix(listed.Names[0], "/")
	}
	got, err := e.ContainerInspect(ctx, listed.ID, client.ContainerInspectOptions{})
	if err != nil {
		r.fail(err)
		return r
	}
	r.describe(got.Container)
	if !r.Running() {
		return r
	}
	if local(e) {
		r.OOMKills = max(r.OOMKills, cgroupKills(got.Container.State.Pid, listed.ID))
	}
	before, after, err := sampleTwice(ctx, e, listed.ID)
	if err == nil {
		r.measure(before, after, machine)
		return r
	}
	// The stream of a container that is removed meanwhile just ends: what it is now says more than that.
	if got, again := e.ContainerInspect(ctx, listed.ID, client.ContainerInspectOptions{}); again != nil {
		err = again
	} else if r.describe(got.Container); !r.Running() {
		return r
	}
	r.fail(err)
	return r
}

// fail takes down why the container could not be looked at.
func (r *Replica) fail(err error) {
	if errdefs.IsNotFound(err) {
		r.State, r.Health, r.seen = StateGone, "", nil
		return
	}
	r.Error, r.lost = err.Error(), err
}

// describe reads what inspect tells without sampling.
func (r *Replica) describe(c moby.InspectResponse) {
	r.seen, r.Container, r.ID, r.Restarts = &container.Replica{
		InspectResponse: c,
	}, strings.TrimPrefix(c.Name, "/"), c.ID, c.RestartCount
	if st := c.State; st != nil {
		r.State, r.ExitCode = string(st.Status), st.ExitCode
		r.Started, r.Finished = instant(st.StartedAt), instant(st.FinishedAt)
		if st.OOMKilled {
			r.OOMKills = max(1, r.OOMKills)
		}
		r.readHealth(st.Health)
	}
	if c.Config != nil {
		r.Image = c.Config.Image
	}
	if h := c.HostConfig; h != nil {
		r.MemoryLimit = h.Memory
		if h.NanoCPUs > 0 {
			r.CPULimit = float64(h.NanoCPUs) / 1e9
		} else if h.CPUQuota > 0 {
			// 100 ms is the kernel's default period
			r.CPULimit = float64(h.CPUQuota) / float64(cmp.Or(h.CPUPeriod, 100_000))
		}
	}
}

func (r *Replica) readHealth(h *moby.Health) {
	if h == nil || h.Status == moby.NoHealthcheck {
		return
	}
	r.Health = string(h.Status)
	if len(h.Log) == 0 {
		return
	}
	last := h.Log[len(h.Log)-1]
	r.ResponseMS, r.Checked = float64(last.End.Sub(last.Start).Microseconds())/1000, last.End
	if last.ExitCode != 0 {
		line, _, _ := strings.Cut(strings.TrimSpace(last.Output), "\n")
		line = bounded.Line(line)
		r.HealthOutput = line
	}
}

// instant parses the engine's time; its zero, year 1, becomes Go's.
func instant(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

// compareWithModel judges the containers by the rule that start and status go by, marks which the project wants, adds
// what it has no container of, and sorts.
func compareWithModel(replicas []Replica, project *types.Project, now time.Time) []Replica {
	seen, unseen := map[string][]container.Replica{}, map[string]int{}
	for i := range replicas {
		r := &replicas[i]
		service, active := project.Services[r.Service]
		_, disabled := project.DisabledServices[r.Service] // of a profile that is not asked for now
		r.Orphan = !active && !disabled
		if r.seen != nil {
			r.Verdict = container.Look(r.Service, *r.seen, now)
			seen[r.Service] = append(seen[r.Service], *r.seen)
		} else if r.State != StateGone { // it is there, whatever it is
			unseen[r.Service]++
		}
		r.Expected = active && service.GetScale() > 0 && service.Provider == nil &&
			r.Verdict.Condition != container.Done && r.State != StateGone
	}
	for name, service := range project.Services {
		v := container.Judge(service, seen[name], now)
		switch v.Condition { //nolint:exhaustive // all others are a container's
		case container.Provider:
			if len(v.Each) == 0 {
				replicas = append(replicas, Replica{Service: name, State: StateProvider, Verdict: v.Opinion})
			}
		case container.Surplus:
			replicas = append(replicas, Replica{Service: name, State: StateSurplus, Verdict: v.Opinion})
		default:
			for range service.GetScale() - len(v.Each) - unseen[name] {
				replicas = append(replicas,
					Replica{Service: name, State: StateMissing, Expected: true, Verdict: v.Opinion})
			}
		}
	}
	slices.SortFunc(replicas, func(a, b Replica) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Container, b.Container))
	})
	return replicas
}

func takeDisk(ctx context.Context, api API) (Disk, error) {
	use, err := diskspace.Stored(ctx, api,
		client.DiskUsageOptions{Containers: true, Images: true, BuildCache: true, Volumes: true, Verbose: true})
	if err != nil {
		return Disk{}, fmt.Errorf("asking the engine for its disk usage: %w", err)
	}
	d := Disk{
		Images: DiskUse{
			use.Images.TotalCount, use.Images.ActiveCount, use.Images.TotalSize, use.Images.Reclaimable,
		},
		Containers: DiskUse{
			use.Containers.TotalCount, use.Containers.ActiveCount, use.Containers.TotalSize, use.Containers.Reclaimable,
		},
		Volumes: DiskUse{
			use.Volumes.TotalCount, use.Volumes.ActiveCount, use.Volumes.TotalSize, use.Volumes.Reclaimable,
		},
		BuildCache: DiskUse{
			use.BuildCache.TotalCount, use.BuildCache.ActiveCount, use.BuildCache.TotalSize, use.BuildCache.Reclaimable,
		},
	}
	d.layers = make(map[string]int64, len(use.Containers.Items))
	for _, c := range use.Containers.Items {
		d.layers[c.ID] = c.SizeRw
	}
	e, ok := api.(*engine.Engine) // which keeps what the engine said of itself when it was connected
	if !ok {
		return d, nil
	}
	d.Root = e.Info.DockerRootDir
	if local(api) {
		// Docker Desktop keeps its data root in its virtual machine: what can't be read is left unsaid.
		if space, err := diskspace.Of(d.Root); err == nil {
			d.Space = &space
		}
	}
	return d, nil
}

// local says whether the engine's files and processes are this machine's.
func local(api interface{ DaemonHost() string }) bool {
	return strings.HasPrefix(api.DaemonHost(), "unix://")
}
