//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
)

// shipped gives the repository's own stack, which `mage test` has started before these tests run, and its containers.
func shipped(t *testing.T) (*engine.Engine, *compose.Model, map[string]container.InspectResponse) {
	t.Helper()
	e, err := engine.Connect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s, err := compose.Load(context.Background(), compose.Request{Dir: filepath.Join("..", ".."), Machine: e.Machine()})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, name: s.Project.Name, engine: e}
	found := map[string]container.InspectResponse{}
	for name, c := range f.inspect() {
		found[name] = c.Container
	}
	if len(found) != 6 {
		t.Fatalf("%d containers of %s; start it first: go tool mage start", len(found), s.Project.Name)
	}
	return e, s, found
}

func TestIntegrationShippedStackIsHardened(t *testing.T) {
	_, _, containers := shipped(t)
	for name, c := range containers {
		if user := c.Config.User; user == "" || strings.HasPrefix(user, "0") || strings.HasPrefix(user, "root") {
			t.Errorf("%s runs as %q", name, user)
		}
		h := c.HostConfig
		if len(h.CapAdd) > 0 || !slices.Contains(h.CapDrop, "ALL") || h.Privileged {
			t.Errorf("%s: capabilities +%v -%v, privileged %v", name, h.CapAdd, h.CapDrop, h.Privileged)
		}
		if !slices.Contains(h.SecurityOpt, "no-new-privileges:true") || !h.ReadonlyRootfs {
			t.Errorf("%s: security options %v, read-only %v", name, h.SecurityOpt, h.ReadonlyRootfs)
		}
		for port, bindings := range h.PortBindings {
			for _, b := range bindings {
				if b.HostIP.String() != "127.0.0.1" {
					t.Errorf("%s publishes %s on %s", name, port, b.HostIP)
				}
			}
		}
		if h.LogConfig.Config["max-size"] == "" || h.RestartPolicy.Name != container.RestartPolicyUnlessStopped {
			t.Errorf("%s: logs %v, restart %v", name, h.LogConfig.Config, h.RestartPolicy)
		}
	}
}

func TestIntegrationShippedStackHasItsLimits(t *testing.T) {
	_, s, containers := shipped(t)
	for name, c := range containers {
		want := s.Project.Services[name].Deploy.Resources
		if c.HostConfig.Memory != int64(want.Limits.MemoryBytes) ||
			c.HostConfig.NanoCPUs != int64(want.Limits.NanoCPUs*1e9) {
			t.Errorf("%s: memory %d and cpus %d, want %d and %v", name, c.HostConfig.Memory, c.HostConfig.NanoCPUs,
				want.Limits.MemoryBytes, want.Limits.NanoCPUs)
		}
		if got := c.HostConfig.PidsLimit; want.Limits.Pids <= 0 || got == nil || *got != want.Limits.Pids {
			t.Errorf("%s: a pids limit of %v, want %d and above 0", name, got, want.Limits.Pids)
		}
		if want.Reservations != nil && c.HostConfig.MemoryReservation != int64(want.Reservations.MemoryBytes) {
			t.Errorf("%s: reservation %d, want %d", name, c.HostConfig.MemoryReservation, want.Reservations.MemoryBytes)
		}
	}
	if got := containers["redis"].HostConfig.Tmpfs["/tmp"]; got != "noexec,nosuid,size=100m" {
		t.Errorf("redis: tmpfs %q", got)
	}
	nofile := s.Project.Services["livekit"].Ulimits["nofile"].Hard
	if u := containers["livekit"].HostConfig.Ulimits; len(u) != 1 || u[0].Name != "nofile" ||
		u[0].Hard != int64(nofile) {
		t.Errorf("livekit: ulimits %v, want nofile %d", u, nofile)
	}
}

// TestIntegrationShippedStackHasANetworkForEachNeed: redis is with those that use it alone, and only azure-tts, which
// may have to ask Azure, can reach the world: every other network is internal, or translates no addresses on the way
// out.
func TestIntegrationShippedStackHasANetworkForEachNeed(t *testing.T) {
	e, _, containers := shipped(t)
	with := map[string][]string{} // the containers on each network
	for name, c := range containers {
		for id := range c.NetworkSettings.Networks {
			with[id] = append(with[id], name)
		}
	}
	for id, services := range with {
		slices.Sort(services)
		n, err := e.NetworkInspect(context.Background(), id, client.NetworkInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(services, "redis") &&
			!slices.Equal(services, []string{"api-backend", "eloquence-agent-v1", "livekit", "redis"}) {
			t.Errorf("redis is on %s with %v", id, services)
		}
		options := n.Network.Options
		closed := n.Network.Internal || options["com.docker.network.bridge.enable_ip_masquerade"] == "false"
		if !closed && !slices.Equal(services, []string{"azure-tts"}) {
			t.Errorf("%v have a way out by %s", services, id)
		}
		if !n.Network.Internal && len(services) > 1 && options["com.docker.network.bridge.enable_icc"] != "false" {
			t.Errorf("%v reach each other over %s, which is for their ports", services, id)
		}
	}
}

func TestIntegrationNoSecretShows(t *testing.T) {
	e, s, containers := shipped(t)
	var secrets []string
	for _, secret := range s.Project.Secrets {
		content, err := os.ReadFile(secret.File)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.Fields(string(content)) {
			if len(word) >= 16 {
				secrets = append(secrets, word)
			}
		}
	}
	if len(secrets) < 2 {
		t.Fatalf("%d secrets to look for: the test would show nothing", len(secrets))
	}
	for name, c := range containers {
		history, err := e.ImageHistory(context.Background(), c.Image)
		if err != nil {
			t.Fatal(err)
		}
		image, err := e.ImageInspect(context.Background(), c.Image)
		if err != nil {
			t.Fatal(err)
		}
		logs, err := e.ContainerLogs(context.Background(), c.ID,
			client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
		if err != nil {
			t.Fatal(err)
		}
		printed, err := io.ReadAll(logs)
		_ = logs.Close()
		if err != nil {
			t.Fatal(err)
		}
		for where, value := range map[string]any{
			"the image's history": history, "the image": image, "the container": c, "the log": string(printed),
		} {
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range secrets {
				if strings.Contains(string(text), secret) {
					t.Errorf("%s: a secret is in %s", name, where)
				}
			}
		}
	}
}
