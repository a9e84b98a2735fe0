package swarmspec

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/composetest"
)

// one converts a file's only service, or the one with the name a.
func one(t *testing.T, body string, o Options) (swarm.ServiceSpec, []Change) {
	t.Helper()
	parts := append(strings.Split(body, "|"), "")
	stack := convert(t, "name: p\nservices:\n  a: {image: x, "+parts[0]+"}\n"+parts[1]+"\n", o)
	return stack.Services["a"], stack.Changes
}

func said(changes []Change, part string) bool {
	for _, c := range changes {
		if strings.Contains(c.Path+": "+c.Instead, part) {
			return true
		}
	}
	return false
}

func TestNames(t *testing.T) {
	stack := convert(t, "name: p\nservices: {a: {image: x, volumes: ['vol:/v']}}\nvolumes: {vol: {}}\n", Options{
		Images: map[string]string{"a": "r/x:1@sha256:ab"},
	})
	a := stack.Services["a"]
	if a.Name != "p_a" || a.Labels[StackLabel] != "p" || a.TaskTemplate.ContainerSpec.Labels[StackLabel] != "p" {
		t.Errorf("got %q %v", a.Name, a.Labels)
	}
	if a.Labels[ImageLabel] != "x" || a.TaskTemplate.ContainerSpec.Image != "r/x:1@sha256:ab" {
		t.Errorf("the image is %q, said to be %q", a.TaskTemplate.ContainerSpec.Image, a.Labels[ImageLabel])
	}
	if m := a.TaskTemplate.ContainerSpec.Mounts[0]; m.Source != "p_vol" || m.VolumeOptions.Labels[StackLabel] != "p" {
		t.Errorf("got %+v", m)
	}
	if n := stack.Networks["default"]; n.Name != "p_default" || n.Options.Driver != "overlay" {
		t.Errorf("got %+v", n)
	}
}

func TestRefused(t *testing.T) {
	for want, text := range map[string]string{
		"provider":                  "services: {a: {provider: {type: z}}}",
		`deploy.mode: "z"`:          "services: {a: {image: x, deploy: {mode: z}}}",
		"seccomp":                   "services: {a: {image: x, security_opt: ['seccomp=/nowhere']}}",
		`secret "s" has no content`: "services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {environment: PATH}}",
		`config "c" has no content`: "services: {a: {image: x, configs: [c]}}\nconfigs: {c: {content: t}}",
		"tmpfs":                     "services: {a: {image: x, tmpfs: ['/run:size=z']}}",
	} {
		if _, err := Convert(composetest.Load(t, text), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestPortsOfTheLoopbackStayThere(t *testing.T) {
	spec, changes := one(t,
		"ports: ['127.0.0.1:80:80', '[::1]:81:81', '82:82', '10.0.0.1:83:83', '90-91:84']", Options{})
	var got []uint32
	for _, p := range spec.EndpointSpec.Ports {
		got = append(got, p.TargetPort)
		if p.TargetPort == 84 && p.PublishedPort != 0 {
			t.Errorf("a range is published as %d", p.PublishedPort)
		}
	}
	if len(got) != 3 || !said(changes, "127.0.0.1 is this machine's own") || !said(changes, "not on 10.0.0.1 alone") ||
		!said(changes, "can't choose within 90-91") {
		t.Errorf("published %v, said %v", got, changes)
	}
}

func TestWithoutVirtualAddresses(t *testing.T) {
	spec, changes := one(t, "ports: ['80:80'], deploy: {endpoint_mode: vip}", Options{NoVIP: true})
	p := spec.EndpointSpec.Ports[0]
	if spec.EndpointSpec.Mode != swarm.ResolutionModeDNSRR || p.PublishMode != swarm.PortConfigPublishModeHost {
		t.Errorf("got %+v", spec.EndpointSpec)
	}
	if spec.UpdateConfig.Order != swarm.UpdateOrderStopFirst {
		t.Error("two tasks can't have the same port of a node")
	}
	if !said(changes, "no IPVS") || !said(changes, "no routing mesh") {
		t.Errorf("said %v", changes)
	}
	if spec, _ = one(t, "ports: ['80:80']", Options{}); spec.EndpointSpec.Mode == swarm.ResolutionModeDNSRR {
		t.Error("dnsrr without need")
	}
}

func TestUpdateOrder(t *testing.T) {
	const startFirst = "deploy: {update_config: {order: start-first}}"
	for body, want := range map[string]swarm.UpdateOrder{
		"":                 swarm.UpdateOrderStartFirst,
		"ports: ['80:80']": swarm.UpdateOrderStartFirst,
		"ports: [{target: 80, published: 80, mode: host}]":      swarm.UpdateOrderStopFirst,
		"ports: [{target: 80, mode: host}]":                     swarm.UpdateOrderStartFirst,
		"volumes: ['vol:/v']|volumes: {vol: {}}":                swarm.UpdateOrderStopFirst,
		"volumes: ['vol:/v:ro']|volumes: {vol: {}}":             swarm.UpdateOrderStartFirst,
		"volumes: ['/v']":                                       swarm.UpdateOrderStartFirst,
		startFirst + ", volumes: ['vol:/v']|volumes: {vol: {}}": swarm.UpdateOrderStartFirst,
	} {
		if spec, _ := one(t, body, Options{}); spec.UpdateConfig.Order != want || spec.RollbackConfig.Order != want {
			t.Errorf("%s: %s, and back %s", body, spec.UpdateConfig.Order, spec.RollbackConfig.Order)
		}
	}
}

func TestUpdatesAreWatchedUntilACheckCanFail(t *testing.T) {
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	for name, c := range map[string]struct {
		check *container.HealthConfig
		want  time.Duration
	}{
		"none":         {nil, seconds(15)},
		"disabled":     {&container.HealthConfig{Test: []string{"NONE"}, Interval: seconds(60)}, seconds(15)},
		"the engine's": {&container.HealthConfig{Test: []string{"CMD", "a"}}, seconds(3*60 + 5)},
		"said": {&container.HealthConfig{
			Test: []string{"CMD", "a"}, Interval: seconds(5), Timeout: seconds(2), Retries: 4, StartPeriod: seconds(10),
		}, seconds(4*7 + 5)}, // it has been healthy when that begins
		"quick": {&container.HealthConfig{Interval: seconds(1), Timeout: seconds(1), Retries: 1}, seconds(15)},
	} {
		if got := MonitorTime(c.check); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	spec, _ := one(t, "", Options{Checks: map[string]*container.HealthConfig{"a": {
		Test: []string{"CMD", "a"}, Interval: seconds(60),
	}}})
	if u := spec.UpdateConfig; u.Monitor < seconds(180) || u.FailureAction != swarm.UpdateFailureActionRollback {
		t.Errorf("by the image's check: %+v", u)
	}
}

func TestJobsAndRestarts(t *testing.T) {
	job := "|  b: {image: y, depends_on: {a: {condition: service_completed_successfully}}}"
	for body, want := range map[string]string{
		"":                                 "replicated any",
		"restart: always":                  "replicated any",
		"restart: unless-stopped":          "replicated any",
		"restart: 'no'":                    "replicated none",
		"restart: on-failure:3":            "replicated on-failure 3",
		job:                                "job none",
		"restart: on-failure" + job:        "job on-failure",
		"deploy: {mode: global}":           "global any",
		"deploy: {mode: global-job}":       "global-job none",
		"deploy: {mode: replicated}" + job: "replicated any",
	} {
		spec, _ := one(t, body, Options{})
		got := map[bool]string{
			spec.Mode.Replicated != nil: "replicated", spec.Mode.Global != nil: "global",
			spec.Mode.ReplicatedJob != nil: "job", spec.Mode.GlobalJob != nil: "global-job",
		}[true] + " " + string(spec.TaskTemplate.RestartPolicy.Condition)
		if n := spec.TaskTemplate.RestartPolicy.MaxAttempts; n != nil {
			got += " " + string(rune('0'+*n))
		}
		if got != want {
			t.Errorf("%q: %s, want %s", body, got, want)
		}
		if isJob := strings.Contains(got, "job"); (spec.UpdateConfig == nil) != isJob {
			t.Errorf("%q: update config %v", body, spec.UpdateConfig)
		}
	}
}

func TestPlacement(t *testing.T) {
	data := "volumes: ['vol:/v'], deploy: {placement: {constraints: [node.role==worker]}}|volumes: {vol: {}}"
	spec, _ := one(t, data, Options{VolumeNodes: map[string]string{"p_vol": "n1"}})
	if got := strings.Join(spec.TaskTemplate.Placement.Constraints, " "); got != "node.role==worker node.id==n1" {
		t.Errorf("got %q", got)
	}
	global := "volumes: ['vol:/v'], deploy: {mode: global}|volumes: {vol: {}}"
	spec, _ = one(t, global, Options{VolumeNodes: map[string]string{"p_vol": "n1"}})
	if got := spec.TaskTemplate.Placement.Constraints; len(got) != 0 {
		t.Errorf("a global service is bound to %v", got)
	}
	spec, changes := one(t, "gpus: all", Options{})
	got := spec.TaskTemplate.Placement.Constraints
	if len(got) != 1 || got[0] != gpuLabel || !said(changes, "gpu=true") {
		t.Errorf("got %q, said %v", got, changes)
	}
	spec, _ = one(t, "gpus: [{count: 2, capabilities: [gpu]}]", Options{GPU: "NVIDIA-GPU"})
	if r := spec.TaskTemplate.Resources.Reservations.GenericResources; len(r) != 1 ||
		r[0].DiscreteResourceSpec.Value != 2 || r[0].DiscreteResourceSpec.Kind != "NVIDIA-GPU" ||
		len(spec.TaskTemplate.Placement.Constraints) != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestBraces(t *testing.T) {
	spec, changes := one(t, `environment: {A: "{{.x}}", B: "{{.Node.Hostname}}"}`, Options{})
	if got := strings.Join(spec.TaskTemplate.ContainerSpec.Env, " "); got != `A={{"{{"}}.x}} B={{.Node.Hostname}}` {
		t.Errorf("got %s", got)
	}
	if !said(changes, "environment.B: the Swarm fills in") || said(changes, "environment.A") {
		t.Errorf("said %v", changes)
	}
}

func TestAnotherContentIsAnotherSecret(t *testing.T) {
	const file = "name: p\nservices: {a: {image: x, secrets: [s]}}\nsecrets: {s: {environment: PATH}}\n"
	project := composetest.Load(t, file)
	name := func(content string) string {
		stack, err := Convert(project, Options{Secrets: map[string][]byte{"s": []byte(content)}})
		if err != nil {
			t.Fatal(err)
		}
		reference := stack.Services["a"].TaskTemplate.ContainerSpec.Secrets[0]
		if reference.SecretName != stack.Secrets["s"].Name || reference.File.Name != "s" {
			t.Errorf("got %+v", reference)
		}
		return reference.SecretName
	}
	first, again, other := name("1"), name("1"), name("2")
	if first != again || first == other || !strings.HasPrefix(first, "p_s-") {
		t.Errorf("got %s, %s, %s", first, again, other)
	}
	long := composetest.Load(t, file)
	long.Name = strings.Repeat("p", 80)
	stack, err := Convert(long, Options{Secrets: map[string][]byte{"s": nil}})
	if err != nil || len(stack.Secrets["s"].Name) > 64 {
		t.Errorf("%v, %d bytes", err, len(stack.Secrets["s"].Name))
	}
}

func TestTmpfs(t *testing.T) {
	spec, changes := one(t, "tmpfs: ['/run:size=64m,mode=1777,uid=9,noexec,nosuid,huge=always']", Options{})
	m := spec.TaskTemplate.ContainerSpec.Mounts[0]
	if o := m.TmpfsOptions; o.SizeBytes != 64<<20 || o.Mode.String() != "trwxrwxrwx" || len(o.Options) != 2 {
		t.Errorf("got %+v", o)
	}
	if !said(changes, `"huge=always" of /run`) || said(changes, "nosuid") {
		t.Errorf("said %v", changes)
	}
}

func TestWhatAnOldSwarmLacksIsNamed(t *testing.T) {
	body := "healthcheck: {test: [CMD, a], start_interval: 1s}, security_opt: [no-new-privileges], oom_score_adj: 5, " +
		"mem_limit: 64m, memswap_limit: 128m, mem_swappiness: 5, tmpfs: ['/run:uid=9']"
	all := []string{
		"healthcheck.start_interval", "security_opt", "oom_score_adj", "memswap_limit", "mem_swappiness", "tmpfs",
	}
	all[0] = "healthcheck.interval" // which stands in for it
	for api, want := range map[string][]string{"1.41": all, "1.44": all[2:], "1.46": all[3:5], "1.52": nil, "": nil} {
		spec, changes := one(t, body, Options{API: api})
		for _, path := range all {
			if named := said(changes, path+": "); named != slices.Contains(want, path) {
				t.Errorf("API %s: %s named: %t", api, path, named)
			}
		}
		c, r := spec.TaskTemplate.ContainerSpec, spec.TaskTemplate.Resources
		set := []bool{
			c.Healthcheck.StartInterval != 0, c.Privileges.NoNewPrivileges, c.OomScoreAdj != 0, r.SwapBytes != nil,
			r.MemorySwappiness != nil, len(c.Mounts[0].TmpfsOptions.Options) > 0,
		}
		for i, path := range all {
			if set[i] == slices.Contains(want, path) {
				t.Errorf("API %s: %s set: %t", api, path, set[i])
			}
		}
	}
	for name, c := range map[string]struct {
		body     string
		image    *container.HealthConfig
		interval time.Duration
		retries  int
	}{
		"as said": {"healthcheck: {test: [CMD, a], interval: 10s, retries: 5}", nil, 4 * time.Second, 13},
		"its own start": {
			"healthcheck: {test: [CMD, a], interval: 10s, retries: 2, start_interval: 1s}", nil, time.Second, 20,
		},
		"the engine's":  {"healthcheck: {test: [CMD, a]}", nil, 4 * time.Second, 23},
		"quick already": {"healthcheck: {test: [CMD, a], interval: 2s, retries: 9}", nil, 2 * time.Second, 9},
		"the image's": {
			"", &container.HealthConfig{Test: []string{"CMD", "a"}, Interval: 8 * time.Second}, 4 * time.Second, 6,
		},
		"the image's, shorter": {
			"healthcheck: {retries: 1}", &container.HealthConfig{Test: []string{"CMD", "a"}}, 4 * time.Second, 8,
		},
	} {
		spec, _ := one(t, c.body, Options{API: "1.41", Checks: map[string]*container.HealthConfig{"a": c.image}})
		h := spec.TaskTemplate.ContainerSpec.Healthcheck
		if h == nil || h.Interval != c.interval || h.Retries != c.retries {
			t.Errorf("%s: %+v", name, h)
		}
	}
	for _, body := range []string{"", "healthcheck: {disable: true}"} {
		if spec, changes := one(t, body, Options{API: "1.41"}); said(changes, "healthcheck") {
			t.Errorf("%q: %+v, %v", body, spec.TaskTemplate.ContainerSpec.Healthcheck, changes)
		}
	}
	for _, volume := range []string{
		"{type: volume, target: /v, volume: {subpath: s}}", "{type: image, source: y, target: /v}",
	} {
		project := composetest.Load(t, "services: {a: {image: x, volumes: ["+volume+"]}}")
		_, err := Convert(project, Options{API: "1.41"})
		if err == nil || !strings.Contains(err.Error(), "needs API 1.4") {
			t.Errorf("%s: %v", volume, err)
		}
	}
}

func TestEmptyContents(t *testing.T) {
	project := composetest.Load(t, "services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {file: /f}}")
	stack, err := Convert(project, Options{Secrets: map[string][]byte{"s": {}}})
	if err != nil || string(stack.Secrets["s"].Data) != "\n" || !said(stack.Changes, "secrets.s: a line break") {
		t.Errorf("got %q, %v, %v", stack.Secrets["s"].Data, stack.Changes, err)
	}
}
