package preflight

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// fake is an engine with these things on it.
type fake struct {
	images     map[string]*dockerspec.DockerOCIImageConfig
	registries map[string]error // by image: what its registry says; nil for the image
	networks   []network.Network
	volumes    []string
	containers []container.Summary
	asked      []string // images, of registries
}

func (f *fake) ImageInspect(_ context.Context, ref string, _ ...client.ImageInspectOption) (client.ImageInspectResult,
	error,
) {
	config, ok := f.images[ref]
	if !ok {
		return client.ImageInspectResult{}, cerrdefs.ErrNotFound
	}
	return client.ImageInspectResult{InspectResponse: image.InspectResponse{Config: config}}, nil
}

func (f *fake) DistributionInspect(_ context.Context, ref string,
	_ client.DistributionInspectOptions,
) (client.DistributionInspectResult, error) {
	f.asked = append(f.asked, ref)
	return client.DistributionInspectResult{}, f.registries[ref]
}

func (f *fake) NetworkList(context.Context, client.NetworkListOptions) (client.NetworkListResult, error) {
	var r client.NetworkListResult
	for _, n := range f.networks {
		r.Items = append(r.Items, network.Summary{Network: n})
	}
	return r, nil
}

func (f *fake) NetworkInspect(_ context.Context, id string,
	_ client.NetworkInspectOptions,
) (client.NetworkInspectResult, error) {
	for _, n := range f.networks {
		if n.ID == id {
			return client.NetworkInspectResult{}, nil
		}
	}
	return client.NetworkInspectResult{}, cerrdefs.ErrNotFound
}

func (f *fake) VolumeInspect(_ context.Context, name string, _ client.VolumeInspectOptions) (client.VolumeInspectResult,
	error,
) {
	if slices.Contains(f.volumes, name) {
		return client.VolumeInspectResult{}, nil
	}
	return client.VolumeInspectResult{}, cerrdefs.ErrNotFound
}

func (f *fake) ContainerList(context.Context, client.ContainerListOptions) (client.ContainerListResult, error) {
	return client.ContainerListResult{Items: f.containers}, nil
}

func (f *fake) PluginList(context.Context, client.PluginListOptions) (client.PluginListResult, error) {
	return client.PluginListResult{}, nil
}

func host() *fake {
	return &fake{
		images: map[string]*dockerspec.DockerOCIImageConfig{
			"here": {},
			"checked": {
				DockerOCIImageConfigExt: dockerspec.DockerOCIImageConfigExt{
					Healthcheck: &dockerspec.HealthcheckConfig{Test: []string{"CMD", "x"}},
				},
			},
		},
		registries: map[string]error{
			"nowhere/none:1": cerrdefs.ErrNotFound, "private/one:1": cerrdefs.ErrPermissionDenied,
			"silent/one:1": errors.New("dial tcp: no such host"),
		},
		networks: []network.Network{
			{
				Name: "bridge",
				IPAM: network.IPAM{Config: []network.IPAMConfig{{Subnet: netip.MustParsePrefix("172.17.0.0/16")}}},
			},
			{Name: "shared", ID: "0123abcd"},
		},
		volumes: []string{"shared"},
		containers: []container.Summary{
			{Names: []string{"/taken"}, Labels: map[string]string{"com.docker.compose.project": "shop"}},
			{Names: []string{"/p-web-2"}},
		},
	}
}

func info() system.Info {
	return system.Info{
		ServerVersion: "28.0.1", OSType: "linux", Architecture: "x86_64", NCPU: 2, MemTotal: 8 << 30, MemoryLimit: true,
		SwapLimit: true, CPUCfsQuota: true, PidsLimit: true,
		CgroupVersion: "2", Runtimes: map[string]system.RuntimeWithStatus{"runc": {}},
		Plugins: system.PluginsInfo{Volume: []string{"local"}, Network: []string{"bridge", "overlay"}},
	}
}

// load reads a Compose file in a directory of its own, with the files beside it.
func load(t *testing.T, text string, files ...string) *types.Project {
	t.Helper()
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROFILES"} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	t.Setenv("COMPOSE_PROJECT_NAME", "p")
	dir := t.TempDir()
	for _, name := range append(files, "compose.yaml") {
		content := text
		if name != "compose.yaml" {
			content = "x"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := compose.Load(t.Context(), compose.Request{Dir: dir, Machine: engine.Machine{}})
	if err != nil {
		t.Fatal(err)
	}
	return s.Project
}

// said is the findings, one a line, with the project's directory as /p.
func said(project *types.Project, findings []finding.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(f.ID + " " + f.Severity.String() + " " + strings.ReplaceAll(f.Text(), project.WorkingDir, "/p") +
			"\n")
	}
	return b.String()
}

// service is a Compose file with one service and these keys of it.
func service(keys string) string { return "services:\n  a: {image: here" + keys + "}\n" }

// faults are Compose files with one fault each.
var faults = map[string]struct {
	file    string
	want    string // "" for nothing
	refused bool
}{
	"nothing": {service(""), "", false},
	// Images.
	"not built": {"services: {a: {build: .}}", "image.unbuilt info a: not built yet", true},
	"built by another service": {
		"services:\n  a: {image: mine, build: .}\n  b: {image: mine}\n", "image.unbuilt info a, b: not built yet",
		true,
	},
	"pull_policy never": {
		"services: {a: {image: nowhere/none:1, pull_policy: never}}",
		`image.missing failure a: image "nowhere/none:1" is not on the engine, and pull_policy never forbids to ` +
			`pull it`, true,
	},
	"never, but here":        {"services: {a: {image: here, pull_policy: never}}", "", false},
	"a registry that has it": {"services: {a: {image: 'there/one:1'}}", "", false},
	"a registry that has it not": {
		"services: {a: {image: 'nowhere/none:1'}, b: {image: 'nowhere/none:1'}}",
		`image.missing failure a, b: image "nowhere/none:1" is not on the engine, and its registry does not ` +
			`give it: not found`, false,
	},
	"a registry that denies": {
		"services: {a: {image: 'private/one:1'}}",
		`image.missing failure a: image "private/one:1" is not on the engine, and its registry does not give ` +
			`it: permission denied`, false,
	},
	"a registry that is away": {
		"services: {a: {image: 'silent/one:1'}}",
		`image.unknown warning a: image "silent/one:1" is not on the engine, and its registry could not be ` +
			`asked: dial tcp: no such host`, false,
	},
	"an image that is a volume": {
		service(", volumes: [{type: image, source: 'nowhere/none:1', target: /i}]"),
		`image.missing failure a: image "nowhere/none:1"`, false,
	},
	"a provider has no image": {"services: {a: {provider: {type: model, options: {model: x}}}}", "", false},
	"waits for one without check": {
		service("") + "  b: {image: here, depends_on: {a: {condition: service_healthy}}}\n",
		"depends_on.healthy warning a: b waits for it to be healthy, and it has no health check", false,
	},
	"the image has the check": {
		"services:\n  a: {image: checked}\n  b: {image: here, depends_on: {a: {condition: service_healthy}}}\n", "",
		false,
	},
	"a check that is off": {
		"services:\n  a: {image: checked, healthcheck: {disable: true}}\n  b: {image: here, depends_on: {a: " +
			"{condition: service_healthy}}}\n", "depends_on.healthy warning a: ", false,
	},
	"an own check": {
		"services:\n  a: {image: here, healthcheck: {test: x}}\n  b: {image: here, depends_on: {a: {condition: " +
			"service_healthy}}}\n", "", false,
	},
	// Networks and volumes.
	"external network": {
		service(", networks: [n]") + "networks: {n: {external: true, name: nonet}}",
		`network.external failure a: external network "nonet" is not there`, true,
	},
	"external network is there": {
		service(", networks: [n]") + "networks: {n: {external: true, name: shared}}", "", false,
	},
	"external network by its ID": {
		service(", networks: [n]") + "networks: {n: {external: true, name: 0123abcd}}", "", false,
	},
	"external volume": {
		service(", volumes: ['vol:/v']") + "volumes: {vol: {external: true, name: novol}}",
		`volume.external failure a: external volume "novol" is not there`, true,
	},
	"external volume is there": {
		service(", volumes: ['vol:/v']") + "volumes: {vol: {external: true, name: shared}}", "", false,
	},
	"a subnet that is taken": {
		service(", networks: [n]") + "networks: {n: {ipam: {config: [{subnet: 172.17.8.0/24}]}}}",
		`network.overlap failure a: network "n": its subnet 172.17.8.0/24 overlaps with 172.17.0.0/16 of ` +
			`network "bridge"`, false,
	},
	"two that share one": {
		service(", networks: [n, m]") +
			"networks: {n: {ipam: {config: [{subnet: 10.9.0.0/16}]}}, " +
			"m: {ipam: {config: [{subnet: 10.9.1.0/24}]}}}",
		`network.overlap failure a: network "n": its subnet 10.9.0.0/16 overlaps with 10.9.1.0/24 of network "p_m"`,
		false,
	},
	"overlay without a swarm": {
		service(", networks: [n]") + "networks: {n: {driver: overlay}}",
		`network.driver failure a: network "p_n": driver overlay needs a swarm`, false,
	},
	"an unknown network driver": {
		service(", networks: [n]") + "networks: {n: {driver: weave}}",
		`network.driver warning a: network "p_n": the engine names no driver "weave"`, false,
	},
	"an unknown volume driver": {
		service(", volumes: ['vol:/v']") + "volumes: {vol: {driver: rexray}}",
		`volume.driver failure a: volume "vol": the engine has no driver "rexray"`, false,
	},
	"a drive letter": {
		service(", volumes: ['v:/v']"),
		`mount.target failure a: mount target "v:/v" is not absolute: docker compose reads v: as a Windows ` +
			`drive, so volume "v" is not mounted`, true,
	},
	// Files.
	"secret file": {
		service(", secrets: [s]") + "secrets: {s: {file: ./lost}}",
		`secret.file failure a: secret "s": stat /p/lost: no such file or directory`, true,
	},
	"secret is a directory": {
		service(", secrets: [s]") + "secrets: {s: {file: .}}",
		`secret.file failure a: secret "s": /p is a directory`, true,
	},
	"secret's variable": {
		service(", secrets: [s]") + "secrets: {s: {environment: PREFLIGHT_UNSET}}",
		`secret.environment failure a: secret "s": variable PREFLIGHT_UNSET is not set`, true,
	},
	"external secret": {
		service(", secrets: [s]") + "secrets: {s: {external: true}}",
		`secret.external failure a: secret "s" is external`, true,
	},
	"open secret": {
		service(", secrets: [s]") + "secrets: {s: {file: ./x}}",
		`secret.mode warning a: secret "s": others may read "/p/x" (mode 0644)`, false,
	},
	"open for another user": {service(", user: '4711', secrets: [s]") + "secrets: {s: {file: ./x}}", "", false},
	"config file": {
		service(", configs: [s]") + "configs: {s: {file: ./lost}}",
		`config.file failure a: config "s": stat /p/lost`, true,
	},
	"config in read_only": {
		service(", read_only: true, configs: [s]") + "configs: {s: {content: hello}}",
		`config.read_only failure a: config "s" is copied into the container, and the service is read_only`, true,
	},
	"bind mount": {
		service(", volumes: ['./lost:/v']"),
		`bind.source warning a: bind mount /v: "/p/lost" does not exist, the engine will make an empty ` +
			`directory of it`, false,
	},
	"bind, not to be made": {
		service(", volumes: [{type: bind, source: ./lost, target: /v, bind: {create_host_path: false}}]"),
		`bind.source failure a: bind mount /v: "/p/lost" does not exist`, true,
	},
	// What a build looks for.
	"additional context": {
		service(", build: {context: ., additional_contexts: {x: ./lost}}"),
		`build.context failure a: additional context "x": stat /p/lost`, false,
	},
	"contexts from afar": {
		service(", build: {context: ., additional_contexts: {x: 'docker-image://alpine', y: " +
			"'https://example.com/r.git'}}"), "", false,
	},
	"build secret": {
		service(", build: {context: ., secrets: [s]}") + "secrets: {s: {file: ./lost}}",
		`build.secret failure a: build secret "s": stat /p/lost`, false,
	},
	"build secret's variable": {
		service(", build: {context: ., secrets: [s]}") + "secrets: {s: {environment: PREFLIGHT_UNSET}}",
		`build.secret failure a: build secret "s": variable PREFLIGHT_UNSET is not set`, false,
	},
	"SSH agent": {
		service(", build: {context: ., ssh: [default]}"),
		"build.ssh failure a: it needs an SSH agent, and SSH_AUTH_SOCK is not set", false,
	},
	// Devices, platforms, runtimes, names.
	"GPU": {
		service(", gpus: all"),
		"gpu.missing failure a: it needs a GPU, and the engine has no NVIDIA runtime, hook or CDI device", false,
	},
	"GPU, the other spelling": {
		service(", deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 1, capabilities: " +
			"[gpu]}]}}}"), "gpu.missing failure a: it needs a GPU", false,
	},
	"a device of CDI": {
		service(", devices: ['vendor.com/class=x']"), `gpu.missing failure a: it needs a device of driver "cdi"`,
		false,
	},
	"a device": {
		service(", devices: ['/dev/nosuch:/dev/x']"), `device.missing failure a: device "/dev/nosuch" is not there`,
		true,
	},
	"a device that is there": {service(", devices: ['/dev/null:/dev/x']"), "", false},
	"a runtime": {
		service(", runtime: kata"), `runtime.missing failure a: the engine has no runtime "kata"`, true,
	},
	"a shim": {service(", runtime: io.containerd.kata.v2"), "", false},
	"a platform": {
		service(", platform: linux/riscv64"),
		"platform.unsupported failure a: the engine is linux/amd64 and has no emulator for linux/riscv64", false,
	},
	"its own platform":         {service(", platform: linux/amd64"), "", false},
	"an older one of its kind": {service(", platform: linux/386"), "", false},
	"container_name": {
		service(", container_name: taken"),
		`container.name failure a: container name "taken" is taken by a container of project shop`, false,
	},
	"the name of a replica": {
		"services: {web: {image: here, scale: 2}}",
		`container.name failure web: container name "p-web-2" is taken by a container of no Compose project`, false,
	},
	"a name that nobody has": {service(", container_name: free"), "", false},
	// Limits. Nothing is fitted here: what clamping leaves is refused as it is.
	"reservation above limit": {
		service(", mem_limit: 1g, mem_reservation: 2g"),
		"limits.refused failure a: the memory reservation 2GiB is above the limit 1GiB", true,
	},
	"swap below memory": {
		service(", mem_limit: 1g, memswap_limit: 512m"),
		"limits.refused failure a: memswap_limit 512MiB is below the memory limit 1GiB", true,
	},
	"swap without memory": {
		service(", memswap_limit: 512m"),
		"limits.refused failure a: memswap_limit 512MiB has no memory limit beside it", true,
	},
	"endless swap": {service(", mem_limit: 1g, memswap_limit: -1"), "", false},
	"hardly any memory": {
		service(", mem_limit: 1m"),
		"limits.refused failure a: the memory limit 1MiB is below the engine's least, 6MiB", true,
	},
	"more CPUs": {
		service(", cpus: 3"), "limits.refused failure a: the cpus limit 3 is above the 2 that the engine has", true,
	},
	"two spellings": {
		service(", cpus: 1, cpu_quota: 50000"),
		"limits.refused failure a: cpus and cpu_quota or cpu_period are two spellings of one limit", true,
	},
	"cpuset": {
		service(", cpuset: '0,2-3'"), `limits.refused failure a: cpuset "0,2-3": the engine has no CPU 3`, true,
	},
	"cpuset that fits": {service(", cpuset: 0-1"), "", false},
	"pids": {
		service(", pids_limit: 5000000"),
		"limits.refused failure a: the pids limit 5000000 is above the kernel's most", true,
	},
}

// TestWhatIsFound has one fault in each Compose file, and what check says of it. refused tells whether a start ends
// with it.
func TestWhatIsFound(t *testing.T) {
	for name, c := range faults {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SSH_AUTH_SOCK", "")
			project := load(t, c.file, "x", "Dockerfile")
			in := Input{API: host(), Info: info(), Local: true, Project: project}
			got := said(project, All(t.Context(), in))
			if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) || strings.Count(got, "\n") > 1 {
				t.Errorf("got  %swant %s", got, c.want)
			}
			refusals, err := Refusals(t.Context(), in, nil)
			if err != nil || (len(refusals) > 0) != c.refused {
				t.Errorf("a start is refused: %s%v, want %v", said(project, refusals), err, c.refused)
			}
			for _, f := range refusals {
				if f.Remedy == "" || f.Code == 0 {
					t.Errorf("%s has no remedy or no exit code: %+v", f.ID, f)
				}
			}
		})
	}
}

// What only making a container needs is not asked of a service that has one.
func TestWhatRunsIsNotRefusedForItsCreation(t *testing.T) {
	project := load(t, "services: {a: {image: here, devices: ['/dev/nosuch:/dev/x']}}")
	in := Input{API: host(), Info: info(), Local: true, Project: project}
	for has, want := range map[bool]int{true: 0, false: 1} {
		if got, err := Refusals(t.Context(), in, map[string]bool{"a": has}); err != nil || len(got) != want {
			t.Errorf("it has a container: %v: %s%v", has, said(project, got), err)
		}
	}
}

// elsewhere are Compose files on other engines.
var elsewhere = map[string]struct {
	file   string
	change func(*Input)
	want   string
}{
	"bind mount elsewhere": {
		"services: {a: {image: here, volumes: ['/nosuch:/v'], devices: ['/dev/nosuch']}}",
		func(in *Input) { in.Local = false }, "",
	},
	"GPU elsewhere": {
		"services: {a: {image: here, gpus: all}}", func(in *Input) { in.Local = false }, "gpu.missing warning a: ",
	},
	"GPU of a CDI device": {
		"services: {a: {image: here, gpus: all}}",
		func(in *Input) { in.Info.DiscoveredDevices = []system.DeviceInfo{{ID: "nvidia.com/gpu=0"}} }, "",
	},
	"GPU of a runtime": {
		"services: {a: {image: here, gpus: all}}",
		func(in *Input) { in.Info.Runtimes["nvidia"] = system.RuntimeWithStatus{} }, "",
	},
	"platform elsewhere": {
		"services: {a: {image: here, platform: linux/riscv64}}", func(in *Input) { in.Local = false },
		"platform.unsupported warning a: ",
	},
	"device in a VM": {
		"services: {a: {image: here, devices: ['/dev/nosuch']}}",
		func(in *Input) { in.Info.OperatingSystem = inVM }, "",
	},
	"a swarm's network": {
		"services: {a: {image: here, networks: [n]}}\nnetworks: {n: {external: true}}",
		func(in *Input) { in.Info.Swarm.LocalNodeState = swarm.LocalNodeStateActive }, "",
	},
	"an old engine's mirror": {
		"services: {a: {image: 'nowhere/none:1'}}", func(in *Input) {
			in.Info.ServerVersion, in.Info.RegistryConfig = "20.10.24", &registry.ServiceConfig{
				Mirrors: []string{"http://mirror/"},
			}
		},
		`image.missing warning a: image "nowhere/none:1" is not on the engine, and the engine's mirror has none ` +
			`of that name`,
	},
	"no memory limits": {
		"services: {a: {image: here, mem_limit: 1g}}", func(in *Input) { in.Info.MemoryLimit = false },
		"limits.unenforced warning a: the engine's kernel does not enforce memory limits",
	},
	"no count of swap": {
		"services: {a: {image: here, mem_limit: 1g}}",
		func(in *Input) { in.Info.SwapLimit, in.Info.CgroupVersion = false, "1" }, "limits.swap info a: ",
	},
	"no pids limits": {
		"services: {a: {image: here, pids_limit: 10}}", func(in *Input) { in.Info.PidsLimit = false },
		"limits.unenforced warning a: ",
	},
	"swap of the new cgroups": {
		"services: {a: {image: here, mem_limit: 1g}}", func(in *Input) { in.Info.SwapLimit = false }, "",
	},
}

// An engine elsewhere has other files and devices; a swarm has networks that are not seen yet; an old engine asks its
// mirror alone.
func TestWhatCannotBeSeenIsNoFailure(t *testing.T) {
	for name, c := range elsewhere {
		t.Run(name, func(t *testing.T) {
			project := load(t, c.file)
			in := Input{API: host(), Info: info(), Local: true, Project: project}
			c.change(&in)
			got := said(project, All(t.Context(), in))
			if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) || strings.Count(got, "\n") > 1 {
				t.Errorf("got  %swant %s", got, c.want)
			}
			if refusals, err := Refusals(t.Context(), in, nil); err != nil || len(refusals) > 0 {
				t.Errorf("a start is refused: %s%v", said(project, refusals), err)
			}
		})
	}
}

// Registries are asked only for what a pull would ask them for, once each.
func TestRegistriesAreAskedOnce(t *testing.T) {
	project := load(t,
		"services:\n  a: {image: here}\n  b: {image: 'there/one:1'}\n  c: {image: 'there/one:1'}\n  d: {build: "+
			".}\n  e: {image: 'x', pull_policy: never}\n")
	f := host()
	All(t.Context(), Input{API: f, Info: info(), Local: true, Project: project})
	if !slices.Equal(f.asked, []string{"there/one:1"}) {
		t.Errorf("asked for %q", f.asked)
	}
}
