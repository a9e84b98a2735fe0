package swarmspec

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/composetest/keys"
	"github.com/25eloquence/compose-mage/internal/golden"
)

// shapes reads testdata/carried.txt: the keys that become something of the stack, each with what a service of a file
// has with it; what stands behind a | is the rest of the file, in both files that are compared, and behind a second |
// in the one with the key. Beside this test, bench/stackdeploy reads them.
func shapes(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/carried.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, shape, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		out[key] = shape
	}
	return out
}

// named are the keys that do not carry over: a Change says so.
var named = map[string]string{
	"Project.models":               "models: [m]|models: {m: {model: z}}",
	"ContainerSpec.models":         "models: [m]|models: {m: {model: z}}",
	"Project.jobs":                 "||jobs: {j: {image: x, triggers: {manual: true}}}",
	"ServiceConfig.develop":        "develop: {watch: [{path: ., action: rebuild}]}, build: .",
	"ServiceConfig.container_name": "container_name: zz", "ServiceConfig.external_links": "external_links: [z]",
	"ServiceConfig.links":       "links: [b]|  b: {image: y}",
	"ServiceConfig.pre_start":   "pre_start: [{image: y, command: [a]}]",
	"ServiceConfig.post_start":  "post_start: [{command: [a]}]",
	"ServiceConfig.pre_stop":    "pre_stop: [{command: [a]}]",
	"ContainerSpec.annotations": "annotations: {k: v}", "ContainerSpec.blkio_config": "blkio_config: {weight: 9}",
	"ContainerSpec.cgroup_parent": "cgroup_parent: /z", "ContainerSpec.cgroup": "cgroup: host",
	"ContainerSpec.cpu_count": "cpu_count: 1", "ContainerSpec.cpu_percent": "cpu_percent: 10",
	"ContainerSpec.cpu_rt_period": "cpu_rt_period: 9000", "ContainerSpec.cpu_rt_runtime": "cpu_rt_runtime: 9000",
	"ContainerSpec.cpuset": "cpuset: '0'", "ContainerSpec.cpu_shares": "cpu_shares: 9",
	"ContainerSpec.device_cgroup_rules": "device_cgroup_rules: ['c 1:3 mr']",
	"ContainerSpec.devices":             "devices: [/dev/null]", "ContainerSpec.domainname": "domainname: z",
	"ContainerSpec.ipc": "ipc: host", "ContainerSpec.mac_address": "mac_address: 02:42:ac:11:00:01",
	"ServiceNetworkConfig.gw_priority":    "networks: {n: {gw_priority: 1}}|networks: {n: {}}",
	"ServiceNetworkConfig.interface_name": "networks: {n: {interface_name: z}}|networks: {n: {}}",
	"ServiceNetworkConfig.ipv4_address":   "networks: {n: {ipv4_address: 10.9.0.2}}|" + pool,
	"ServiceNetworkConfig.ipv6_address":   "networks: {n: {ipv6_address: 'fd00::2'}}|" + pool,
	"ServiceNetworkConfig.link_local_ips": "networks: {n: {link_local_ips: [169.254.1.1]}}|networks: {n: {}}",
	"ServiceNetworkConfig.mac_address":    "networks: {n: {mac_address: 02:42:ac:11:00:01}}|networks: {n: {}}",
	"ServiceNetworkConfig.priority":       "networks: {n: {priority: 1}}|networks: {n: {}}",
	"ContainerSpec.oom_kill_disable":      "oom_kill_disable: true", "ContainerSpec.pid": "pid: host",
	"ContainerSpec.privileged": "privileged: true", "ContainerSpec.pull_policy": "pull_policy: always",
	"ContainerSpec.runtime": "runtime: z", "ContainerSpec.storage_opt": "storage_opt: {size: 1g}",
	"ContainerSpec.use_api_socket": "use_api_socket: true", "ContainerSpec.userns_mode": "userns_mode: host",
	"ContainerSpec.uts":               "uts: host",
	"ContainerSpec.volumes_from":      "volumes_from: [b]|  b: {image: y}",
	"ServiceVolumeBind.selinux":       "volumes: [{type: bind, source: /a, target: /b, bind: {selinux: z}}]",
	"ServiceVolumeConfig.consistency": "volumes: [{type: volume, target: /v, consistency: cached}]",
	"ServiceDependency.restart":       "depends_on: {b: {condition: service_started, restart: true}}|  b: {image: y}",
	"ServicePortConfig.host_ip":       "ports: ['127.0.0.1:81:80']",
	"ServicePortConfig.app_protocol":  "ports: [{target: 80, app_protocol: http}]",
	"NetworkConfig.driver":            "networks: [n]||networks: {n: {driver: bridge}}",
	"NetworkConfig.enable_ipv4":       "networks: [n]||networks: {n: {enable_ipv4: false}}",
	"IPAMPool.aux_addresses": "networks: [n]||networks: {n: {ipam: {config: [{subnet: 10.9.0.0/24, aux_addresses: " +
		"{h: 10.9.0.7}}]}}}",
	"DeviceRequest.options": "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], options: {k: v}}]}}}",
}

const pool = "networks: {n: {ipam: {config: [{subnet: 10.9.0.0/24}, {subnet: 'fd00::/64'}]}}}"

// elsewhere are the keys that the conversion has no part in, with who has.
var elsewhere = map[string]string{
	"Project.name": "the name of the stack (TestNames)", "ServiceConfig.name": "stack_service (TestNames)",
	"ServiceConfig.profiles": "read while loading", "ServiceConfig.extends": "read while loading",
	"ExtendsConfig.file": "read while loading", "ExtendsConfig.service": "read while loading",
	"ContainerSpec.env_file": "read while loading", "EnvFile.path": "read while loading",
	"EnvFile.required": "read while loading", "EnvFile.format": "read while loading",
	"ContainerSpec.label_file": "read while loading",
	"ServiceConfig.attach":     "docker compose up without -d",
	"WorkloadSpec.expose":      "services of a network reach every port",
	"ServiceConfig.net":        "the schema refuses it", "SecretConfig.content": "the schema refuses it",
	"ConfigObjConfig.driver": "the schema refuses it", "ConfigObjConfig.driver_opts": "the schema refuses it",
	"ContainerSpec.volume_driver": "the schema refuses it", "ContainerSpec.log_driver": "the schema refuses it",
	"ContainerSpec.log_opt": "the schema refuses it", "WorkloadSpec.build": "built and pushed before",
	"WorkloadSpec.dockerfile":            "built and pushed before",
	"ServiceConfig.provider":             "refused: it gives the service on one machine (TestRefused)",
	"WorkloadSpec.depends_on":            "internal/deploy orders by it",
	"ServiceDependency.condition":        "internal/deploy orders by it",
	"ServiceDependency.required":         "internal/deploy orders by it",
	"ContainerSpec.pull_refresh_after":   "docker compose does not read it either, and loading says so",
	"ServiceVolumeBind.create_host_path": "a bind mount is named as a whole",
}

// whole are the types of keys that are named as a whole.
var whole = []string{
	"BlkioConfig", "WeightDevice", "ThrottleDevice", "DeviceMapping", "ServiceModelConfig", "ModelConfig", "JobConfig",
	"TriggerConfig", "ScheduleConfig", "DevelopConfig", "Trigger", "PreStartHook", "ServiceHook",
	"ServiceProviderConfig",
}

// TestEveryKeyIsDecided walks the Compose types, so that a key that they get later fails until somebody decides about
// it.
func TestEveryKeyIsDecided(t *testing.T) {
	met := map[string]bool{}
	for _, key := range keys.All(whole...) {
		met[key] = true
		lists := 0
		for _, list := range []map[string]string{shapes(t), named, elsewhere} {
			if _, has := list[key]; has {
				lists++
			}
		}
		if lists != 1 {
			t.Errorf("%s is in %d of the lists, not in one", key, lists)
		}
	}
	for _, list := range []map[string]string{shapes(t), named, elsewhere} {
		for key := range list {
			if !met[key] {
				t.Errorf("the Compose types have no %s", key)
			}
		}
	}
}

// fixture gives the files without and with a key.
func fixture(text string) (without, with string) {
	parts := append(strings.Split(text, "|"), "", "")
	file := func(body, rest string) string {
		image := "image: x, "
		if strings.Contains(body, "image: y") && !strings.Contains(body, "type: image") &&
			!strings.Contains(body, "pre_start") {
			image = ""
		}
		return "services:\n  a: {" + image + body + "}\n" + rest + "\n"
	}
	return file("", parts[1]), file(parts[0], parts[1]+"\n"+parts[2])
}

// convert loads and converts; secrets and configs have their key as content.
func convert(t *testing.T, text string, o Options) Stack {
	t.Helper()
	project := composetest.Load(t, text)
	stack, err := Convert(project, withContents(project, o))
	if err != nil {
		t.Fatalf("%v of\n%s", err, text)
	}
	return stack
}

func withContents(project *types.Project, o Options) Options {
	o.Secrets, o.Configs = map[string][]byte{}, map[string][]byte{}
	for key := range project.Secrets {
		o.Secrets[key] = []byte(key)
	}
	for key := range project.Configs {
		o.Configs[key] = []byte(key)
	}
	return o
}

func TestCarriedKeysMakeADifference(t *testing.T) {
	carried := shapes(t)
	for _, key := range slices.Sorted(maps.Keys(carried)) {
		t.Run(key, func(t *testing.T) {
			without, with := fixture(carried[key])
			before, after := convert(t, without, Options{GPU: "GPU"}), convert(t, with, Options{GPU: "GPU"})
			if asText(t, before) == asText(t, after) {
				t.Errorf("it makes no difference:\n%s", with)
			}
		})
	}
}

func TestNamedKeysAreNamed(t *testing.T) {
	for _, key := range slices.Sorted(maps.Keys(named)) {
		t.Run(key, func(t *testing.T) {
			_, with := fixture(named[key])
			_, name, _ := strings.Cut(key, ".")
			changes := convert(t, with, Options{GPU: "GPU"}).Changes
			if !slices.ContainsFunc(changes, func(c Change) bool {
				return slices.Contains(strings.Split(c.Path, "."), name) && c.Instead != ""
			}) {
				t.Errorf("got %+v, want one with %s, of\n%s", changes, name, with)
			}
		})
	}
}

// asText is a stack without what was said of it.
func asText(t *testing.T, s Stack) string {
	t.Helper()
	s.Changes, s.Name = nil, ""
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\\u003e", ">")
}

// TestKeysPage writes docs/deploy-keys.md: what is done with each key of the Compose types.
func TestKeysPage(t *testing.T) {
	page := "# What a Swarm makes of each key\n\nMade from the code: `UPDATE=1 go test ./internal/swarmspec -run " +
		"KeysPage`. " +
		"Types and keys are those of Compose's own library.\n\n| key | on a Swarm |\n| --- | --- |\n"
	for _, key := range keys.All(whole...) {
		does := "carried over"
		if text, is := named[key]; is {
			_, with := fixture(text)
			does = insteadOf(convert(t, with, Options{GPU: "GPU"}).Changes, key)
		} else if who, is := elsewhere[key]; is {
			does = who
		}
		page += "| `" + key + "` | " + strings.ReplaceAll(does, "|", "\\|") + " |\n"
	}
	golden.Check(t, "../../../docs/deploy-keys.md", page)
}

// insteadOf is what a change says of the key.
func insteadOf(changes []Change, key string) string {
	_, name, _ := strings.Cut(key, ".")
	for _, c := range changes {
		if slices.Contains(strings.Split(c.Path, "."), name) {
			return c.Instead
		}
	}
	return ""
}
