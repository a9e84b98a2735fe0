//go:build integration

package monitor

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/ui"
)

const project = "watchclean-monitor"

// start runs the probe as a service of the project, labelled as Compose labels it.
func start(t *testing.T, e *engine.Engine, service string, cmd []string, health []string,
	host *container.HostConfig,
) string {
	t.Helper()
	cfg := &container.Config{Image: project + ":test", Cmd: cmd, Labels: enginetest.Labels(project, service, "False")}
	if health != nil {
		cfg.Healthcheck = &container.HealthConfig{
			Test: append([]string{"CMD"}, health...), Interval: time.Second, Timeout: 5 * time.Second, Retries: 1,
		}
	}
	return enginetest.Container(t, e, project+"-"+service+"-1", cfg, host, true)
}

func TestTakeSeesWhatTheStackDoes(t *testing.T) {
	e := enginetest.Connect(t)
	enginetest.Image(t, e, project+":test", nil)
	start(t, e, "busy", []string{"spin"}, nil,
		&container.HostConfig{Resources: container.Resources{NanoCPUs: 100_000_000}})
	start(t, e, "idle", []string{"eat", "40"}, []string{"/probe", "health", "150", "0"},
		&container.HostConfig{Resources: container.Resources{Memory: 400 << 20}})
	start(t, e, "ill", []string{"sleep"}, []string{"/probe", "health", "10", "1"}, nil)
	start(t, e, "killed", []string{"eat", "200"}, nil,
		&container.HostConfig{Resources: container.Resources{Memory: 32 << 20, MemorySwap: 32 << 20}})
	start(t, e, "loop", []string{"exit", "3"}, nil,
		&container.HostConfig{RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyAlways}})
	model := &types.Project{Name: project, Services: types.Services{}}
	for _, name := range []string{"busy", "idle", "ill", "killed", "loop", "absent"} {
		model.Services[name] = types.ServiceConfig{Name: name}
	}
	var s Snapshot
	got := map[string]Replica{}
	enginetest.Until(t, 30*time.Second, "healthy, unhealthy, killed and restarted", func() bool {
		var err error
		if s, err = Take(t.Context(), e, model, e.Machine()); err != nil {
			t.Fatal(err)
		}
		for _, r := range s.Services {
			got[r.Service] = r
		}
		return got["idle"].Health == "healthy" && got["ill"].Health == "unhealthy" && got["killed"].OOMKills > 0 &&
			got["loop"].Restarts > 0 && got["loop"].State == "restarting"
	})
	if r := got["busy"]; r.CPUPercent < 5 || r.CPUPercent > 15 || r.CPULimit != 0.1 || r.ThrottledPercent < 50 {
		t.Errorf("busy at a limit of 0.1 cores: %+v", r)
	}
	if r := got["idle"]; r.MemoryUsed < 40<<20 || r.MemoryUsed > 60<<20 || r.MemoryPercent < 10 ||
		r.MemoryPercent > 15 || r.CPUPercent > 20 {
		t.Errorf("idle with 40 MiB of 400: %+v", r)
	}
	if r := got["idle"]; r.ResponseMS < 150 || r.ResponseMS > 2000 {
		t.Errorf("a check of 150 ms took %v ms", r.ResponseMS)
	}
	if r := got["ill"]; !strings.Contains(r.HealthOutput, "probe says 1") {
		t.Errorf("ill: %+v", r)
	}
	if r := got["killed"]; r.Running() || r.ExitCode != 137 {
		t.Errorf("killed: %+v", r)
	}
	if r := got["loop"]; r.ExitCode != 3 {
		t.Errorf("loop: %+v", r)
	}
	if r := got["absent"]; r.State != StateMissing {
		t.Errorf("absent: %+v", r)
	}
	var b bytes.Buffer
	s.Print(ui.New(&b))
	for _, want := range []string{
		"busy is held back", "ill is unhealthy: probe says 1", "killed was killed for want of memory",
		"absent has no container",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no finding %q in:\n%s", want, b.String())
		}
	}
	if file := os.Getenv("SNAPSHOT_SAMPLE"); file != "" { // for docs/monitor.md
		_ = os.WriteFile(file, b.Bytes(), 0o644)
	}
}

// TestCountsAsDockerStats compares with the docker command, on the same container at the same time.
func TestCountsAsDockerStats(t *testing.T) {
	e := enginetest.Connect(t)
	enginetest.Image(t, e, project+":test", nil)
	id := start(t, e, "eater", []string{"eat", "64"}, nil,
		&container.HostConfig{Resources: container.Resources{Memory: 256 << 20}})
	var r Replica
	enginetest.Until(t, 10*time.Second, "64 MiB taken", func() bool {
		s, err := Take(t.Context(), e, &types.Project{Name: project}, e.Machine())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(s.Services, func(r Replica) bool { return r.ID == id })
		r = s.Services[i]
		return r.MemoryUsed > 64<<20
	})
	text, err := exec.Command("docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", id).Output()
	if err != nil {
		t.Fatalf("docker stats: %v", err)
	}
	used, _, _ := strings.Cut(string(text), " ")
	docker, err := units.RAMInBytes(used)
	if err != nil {
		t.Fatal(err)
	}
	if diff := r.MemoryUsed - docker; diff < -2<<20 || diff > 2<<20 {
		t.Errorf("memory %d, docker stats says %d (%s)", r.MemoryUsed, docker, used)
	}
}

func TestDiskAsDockerSystemDF(t *testing.T) {
	e := enginetest.Connect(t)
	enginetest.Image(t, e, project+"-df:test", nil)
	var d Disk
	// others use this engine too
	enginetest.Until(t, 20*time.Second, "the same counts as docker system df", func() bool {
		var err error
		if d, err = askDisk(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		text, err := exec.Command("docker", "system", "df", "--format", "{{.TotalCount}}").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(string(text)),
			" ") == strings.Join([]string{count(d.Images), count(d.Containers), count(d.Volumes), count(d.BuildCache)},
			" ")
	})
	if d.Images.Size == 0 || d.At.IsZero() || d.now(e).Root == "" || d.now(e).Space == nil {
		t.Errorf("got %+v", d)
	}
}

func TestWatchAppendsUntilCancelled(t *testing.T) {
	e := enginetest.Connect(t)
	enginetest.Image(t, e, project+":test", nil)
	start(t, e, "watched", []string{"sleep"}, nil, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	var b bytes.Buffer
	model := &types.Project{Name: project, Services: types.Services{"watched": {Name: "watched"}}}
	if err := Watch(ctx, NewObserver(e, model, e.Machine(), time.Second), ui.New(&b)); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "watched running"); n < 2 {
		t.Errorf("%d lines in 6 s:\n%s", n, b.String())
	}
	if _, err := e.Ping(t.Context(), client.PingOptions{}); err != nil {
		t.Errorf("the connection did not survive the cancelled watch: %v", err)
	}
}

func count(u DiskUse) string { return strconv.FormatInt(u.Total, 10) }
