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
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/engine"
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

// The labels by which Compose marks what is a project's.
const (
	labelProject = "com.docker.compose.project"
	labelService = "com.docker.compose.service"
	labelOneOff  = "com.docker.compose.oneoff"
)

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
	s.Services, s.Disk = services, disk
	s.Findings = findings(s)
	return s, nil
}

func takeServices(ctx context.Context, api API, project *types.Project, machine engine.Machine) ([]Replica, error) {
	list, err := api.ContainerList(ctx, client.ContainerListOptions{
		All:     true,
		Filters: client.Filters{}.Add("label", labelProject+"="+project.Name, labelOneOff+"=False"),
	})
	if err != nil {
		return nil, fmt.Errorf("listing the containers of %q: %w", project.Name, err)
	}
	kills := oomEvents(ctx, api, project.Name, list.Items)
	var mu sync.Mutex
	var replicas []Replica
	var firstErr error
	var wait sync.WaitGroup
	for _, c := range list.Items {
		wait.Go(func() {
			r, err := takeReplica(ctx, api, c.ID, machine)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errdefs.IsNotFound(err): // removed since it was listed
			case err != nil:
				firstErr = cmp.Or(firstErr, fmt.Errorf("sampling %q: %w", c.Labels[labelService], err))
			default:
				r.Service = c.Labels[labelService]
				r.OOMKills = max(r.OOMKills, kills[c.ID])
				replicas = append(replicas, r)
			}
		})
	}
	wait.Wait()
	if firstErr != nil {
		return nil, firstErr
	}
	return compareWithModel(replicas, project), nil
}

// takeReplica inspects one container, and samples it where it runs.
func takeReplica(ctx context.Context, api API, id string, machine engine.Machine) (Replica, error) {
	got, err := api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return Replica{}, err
	}
	r := describe(got.Container, machine)
	if !r.Running() {
		return r, nil
	}
	if local(api) {
		r.OOMKills = max(r.OOMKills, cgroupKills(got.Container.State.Pid, id))
	}
	before, after, err := sampleTwice(ctx, api, id)
	if err != nil {
		return r, err
	}
	r.measure(before, after, machine)
	return r, nil
}

// describe reads what inspect tells without sampling.
func describe(c container.InspectResponse, machine engine.Machine) Replica {
	r := Replica{Container: strings.TrimPrefix(c.Name, "/"), ID: c.ID, Restarts: c.RestartCount}
	if st := c.State; st != nil {
		r.State, r.ExitCode = string(st.Status), st.ExitCode
		r.Started, r.Finished = instant(st.StartedAt), instant(st.FinishedAt)
		if st.OOMKilled {
			r.OOMKills = 1
		}
		r.readHealth(st.Health)
	}
	if h := c.HostConfig; h != nil {
		r.MemoryLimit = h.Memory
		if h.NanoCPUs > 0 {
			r.CPULimit = float64(h.NanoCPUs) / 1e9
		} else if h.CPUQuota > 0 {
			r.CPULimit = float64(h.CPUQuota) / float64(cmp.Or(h.CPUPeriod, 100_000)) // 100 ms is the kernel's default period
		}
	}
	return r
}

func (r *Replica) readHealth(h *container.Health) {
	if h == nil || h.Status == container.NoHealthcheck {
		return
	}
	r.Health = string(h.Status)
	if len(h.Log) == 0 {
		return
	}
	last := h.Log[len(h.Log)-1]
	r.ResponseMS = float64(last.End.Sub(last.Start).Microseconds()) / 1000
	if last.ExitCode != 0 {
		line, _, _ := strings.Cut(strings.TrimSpace(last.Output), "\n")
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

// compareWithModel marks which containers the project wants, adds the services that have none, and sorts.
func compareWithModel(replicas []Replica, project *types.Project) []Replica {
	count := map[string]int{}
	for i := range replicas {
		r := &replicas[i]
		count[r.Service]++
		service, active := project.Services[r.Service]
		_, disabled := project.DisabledServices[r.Service] // of a profile that is not asked for now
		r.Orphan = !active && !disabled
		r.Expected = active && service.GetScale() > 0 && !finished(service, *r)
	}
	for name, service := range project.Services {
		for range service.GetScale() - count[name] {
			replicas = append(replicas, Replica{Service: name, State: StateMissing, Expected: true})
		}
	}
	slices.SortFunc(replicas, func(a, b Replica) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Container, b.Container))
	})
	return replicas
}

// finished says whether a container is a job that did its work: it ended with 0 and its service does not ask for more.
func finished(s types.ServiceConfig, r Replica) bool {
	restarts := s.Restart != "" && s.Restart != types.RestartPolicyNo
	return r.State == "exited" && r.ExitCode == 0 && !restarts
}

func takeDisk(ctx context.Context, api API) (Disk, error) {
	use, err := diskspace.Stored(ctx, api, client.DiskUsageOptions{Containers: true, Images: true, BuildCache: true, Volumes: true})
	if err != nil {
		return Disk{}, fmt.Errorf("asking the engine for its disk usage: %w", err)
	}
	d := Disk{
		Images:     DiskUse{use.Images.TotalCount, use.Images.ActiveCount, use.Images.TotalSize, use.Images.Reclaimable},
		Containers: DiskUse{use.Containers.TotalCount, use.Containers.ActiveCount, use.Containers.TotalSize, use.Containers.Reclaimable},
		Volumes:    DiskUse{use.Volumes.TotalCount, use.Volumes.ActiveCount, use.Volumes.TotalSize, use.Volumes.Reclaimable},
		BuildCache: DiskUse{use.BuildCache.TotalCount, use.BuildCache.ActiveCount, use.BuildCache.TotalSize, use.BuildCache.Reclaimable},
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
