package monitor

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/sampler"
	"github.com/25eloquence/compose-mage/internal/ui"
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
// sampler.Window, whatever the number of containers. Containers started by docker compose are seen too.
func Take(ctx context.Context, api API, project *types.Project, machine engine.Machine) (Snapshot, error) {
	return Look(ctx, api, project, machine, nil)
}

// Show is Take, and where it is to print, prints what is known as soon as it is known.
func Show(ctx context.Context, api API, project *types.Project, machine engine.Machine, out *ui.Out, prints bool,
) (Snapshot, error) {
	if !prints {
		return Take(ctx, api, project, machine)
	}
	whole, err := Look(ctx, api, project, machine, func(first Snapshot) { first.PrintStates(out) })
	if err == nil {
		whole.PrintRates(out)
	}
	return whole, err
}

// Look is Take, and gives to first what is known before the second sample: everything but CPU and the other rates.
func Look(ctx context.Context, api API, project *types.Project, machine engine.Machine, first func(Snapshot),
) (Snapshot, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // what nobody waits for: the engine's disk figures, and services that have not answered
	return subjectOf(api, project, machine).look(ctx, first)
}

// look is Look. Questions to the engine and to services may go on after it, until ctx ends.
func (s subject) look(ctx context.Context, first func(Snapshot)) (Snapshot, error) {
	answer := diskAnswer(ctx, s.api)
	list, others, err := s.list(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	rows, err := s.inspectAll(ctx, list)
	if err != nil {
		return Snapshot{}, err
	}
	for _, r := range rows {
		s.sample(ctx, r)
	}
	s.signals.begin(ctx, rows, s.project)
	disk := keptDisk(s.api)
	if first != nil {
		disk = disk.newer(answer)
		first(s.snapshot(rows, disk.now(s.api), others))
	}
	if err := s.sampleAgain(ctx, rows); err != nil {
		return Snapshot{}, err
	}
	s.signals.take(rows, s.now())
	disk = disk.newer(answer)
	return s.snapshot(rows, disk.now(s.api), others), nil
}

// subject is what is looked at.
type subject struct {
	api     API
	project *types.Project
	machine engine.Machine
	host    *sampler.Host // nil where there are no cgroups
	signals *signals
	needs   int64 // free space that the Compose file asks for, in bytes
}

func subjectOf(api API, project *types.Project, machine engine.Machine) subject {
	host, err := sampler.Open()
	if err != nil {
		host = nil // on other systems, and where /proc is hidden: the engine is asked
	}
	return subject{
		api: api, project: project, machine: machine, host: host, signals: newSignals(api),
		needs: extension.NeedsOf(project).Disk,
	}
}

// now is the time by the engine's clock, as far as that is known.
func (s subject) now() time.Time {
	if known, ok := s.api.(*engine.Engine); ok {
		return known.Now()
	}
	return time.Now()
}

// list lists the containers of the project's services, and the other checkouts that some of them are of.
func (s subject) list(ctx context.Context) ([]moby.Summary, []container.Checkout, error) {
	all, err := container.All(ctx, s.api, s.project.Name)
	if err != nil {
		return nil, nil, err
	}
	var services []moby.Summary
	for _, c := range all {
		if c.Labels[container.OneOffLabel] == "False" {
			services = append(services, c)
		}
	}
	return services, container.CheckoutsAmong(all, s.project), nil
}

// inspectAll inspects all containers at once. What can't be had of one is said in its row: the others' rows don't
// depend on it.
func (s subject) inspectAll(ctx context.Context, list []moby.Summary) ([]*row, error) {
	rows := make([]*row, len(list))
	byStop := container.EndedByStop(s.project.Name)
	kept := readKills(s.project.Name)
	var heard map[string][]time.Time
	var wait sync.WaitGroup
	wait.Go(func() { heard = oomEvents(ctx, s.api, s.project.Name, list, s.now()) })
	for i, c := range list {
		rows[i] = newRow(c)
		rows[i].kills = kept[c.ID]
		wait.Go(func() {
			s.inspect(ctx, rows[i], byStop)
		})
	}
	wait.Wait()
	for _, r := range rows {
		r.count(heard[r.ID]...)
	}
	keepKills(s.project.Name, kept, rows)
	s.explain(ctx, rows)
	return rows, lost(ctx, rows)
}

// lost is the error of an engine that went away: it is away for the other containers too.
func lost(ctx context.Context, rows []*row) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, r := range rows {
		if fault.EngineLost(r.lost) {
			return fmt.Errorf("looking at %q: %w", r.Container, r.lost)
		}
	}
	return nil
}

// snapshot is what the rows say now.
func (s subject) snapshot(rows []*row, disk Disk, others []container.Checkout) Snapshot {
	out := Snapshot{
		Time: time.Now(), Project: s.project.Name, CPUs: s.machine.CPUs, Memory: s.machine.Memory, Disk: disk,
	}
	replicas := make([]Replica, 0, len(rows))
	for _, r := range rows {
		r.count()
		replicas = append(replicas, r.Replica)
	}
	out.Services = compareWithModel(replicas, s.project, s.now())
	for i := range out.Services {
		out.Services[i].Written = disk.layers[out.Services[i].ID]
	}
	out.Findings = append(findings(out), s.signals.jobs.Findings(s.project.Name, s.project.WorkingDir, time.Now())...)
	out.Findings = append(out.Findings, needsFinding(disk, s.needs)...)
	for _, c := range others {
		text, next := c.Says(s.project)
		out.Findings = append(out.Findings, finding.Warn("project.other-checkout", next, "%s", text))
	}
	return out
}

// row is a container with how its counters are read.
type row struct {
	Replica
	group *sampler.Group // nil where the engine is asked
	asked chan readings  // of the engine, for one look; nil where it is not asked

	stream *stream // of the engine's readings, for an observer; nil where there is none
	checks checks

	kills kills
	heard []time.Time // the engine's oom events

	explained time.Time // the end of which it is known how it came about, as far as it can be
}

// readings are two of one container.
type readings struct {
	before, after sampler.Counters
	err           error
}

func newRow(listed moby.Summary) *row {
	r := Replica{Service: listed.Labels[container.ServiceLabel], ID: listed.ID, State: string(listed.State)}
	if len(listed.Names) > 0 {
		r.Container = strings.TrimPrefix(listed.Names[0], "/")
	}
	return &row{Replica: r}
}

// inspect reads what the engine says of the container, and finds its cgroups.
func (s subject) inspect(ctx context.Context, r *row, byStop func(moby.InspectResponse) bool) {
	r.group = nil
	got, err := s.api.ContainerInspect(ctx, r.ID, client.ContainerInspectOptions{})
	if err != nil {
		r.fail(err)
		return
	}
	r.describe(got.Container)
	r.seen.Stopped = byStop(got.Container)
	r.checks.last = time.Now()
	if r.Running() && s.host != nil {
		r.group = s.host.Find(got.Container.State.Pid, r.ID, hostNetwork(got.Container))
	}
}

func hostNetwork(c moby.InspectResponse) bool {
	return c.HostConfig != nil && c.HostConfig.NetworkMode.IsHost()
}
