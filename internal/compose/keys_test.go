package compose

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/composetest/keys"
)

// byLibrary are the keys that Compose's library acts on when it reads the files, creates, starts or stops, by Compose
// type.
var byLibrary = map[string]string{
	"Project":       "name services networks volumes secrets configs models",
	"ServiceConfig": "name container_name extends external_links links restart",
	"ContainerSpec": `annotations blkio_config cap_add cap_drop cgroup_parent cgroup cpu_count cpu_percent cpu_period
		cpu_quota cpu_rt_period cpu_rt_runtime cpuset cpu_shares command configs device_cgroup_rules
		devices dns dns_opt dns_search domainname entrypoint environment env_file extra_hosts group_add
		gpus hostname init ipc isolation labels label_file logging memswap_limit mem_swappiness
		mac_address models network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform
		privileged pull_policy read_only runtime secrets security_opt shm_size stop_grace_period
		stop_signal storage_opt sysctls tmpfs use_api_socket user userns_mode uts volume_driver volumes
		volumes_from working_dir`,
	"WorkloadSpec":          "expose stdin_open tty",
	"DeployConfig":          "replicas resources restart_policy",
	"Resource":              "pids devices",
	"DeviceRequest":         "capabilities driver count device_ids options",
	"RestartPolicy":         "condition max_attempts",
	"ServiceHook":           "command user privileged working_dir environment",
	"PreStartHook":          "per_replica",
	"ServiceProviderConfig": "type options",
	"ExtendsConfig":         "file service",
	"BlkioConfig": "weight weight_device device_read_bps device_read_iops device_write_bps " +
		"device_write_iops",
	"WeightDevice":           "path weight",
	"ThrottleDevice":         "path rate",
	"ServiceConfigObjConfig": "source target",
	"ServiceSecretConfig":    "source target",
	"DeviceMapping":          "source target permissions",
	"EnvFile":                "path required format",
	"LoggingConfig":          "driver options",
	"ServiceModelConfig":     "endpoint_var model_var",
	"ServiceNetworkConfig": "aliases driver_opts gw_priority interface_name ipv4_address ipv6_address " +
		"link_local_ips mac_address priority",
	"UlimitsConfig":       "single soft hard",
	"ServiceVolumeConfig": "type source target read_only consistency bind volume tmpfs image",
	"ServiceVolumeBind":   "selinux propagation create_host_path recursive",
	"ServiceVolumeVolume": "labels nocopy subpath",
	"ServiceVolumeTmpfs":  "size mode",
	"ServiceVolumeImage":  "subpath",
	"ServicePortConfig":   "host_ip target published protocol",
	"HealthCheckConfig":   "start_interval",
	"NetworkConfig": "name driver driver_opts ipam external internal attachable labels enable_ipv4 " +
		"enable_ipv6",
	"IPAMConfig":              "driver config options",
	"IPAMPool":                "subnet gateway ip_range aux_addresses",
	"VolumeConfig":            "name driver driver_opts external labels",
	"SecretConfig":            "name file environment content external driver template_driver",
	"ConfigObjConfig":         "name file environment content external driver driver_opts template_driver",
	"ModelConfig":             "name model context_size runtime_flags",
	"Resources":               "limits reservations",
	"JobConfig":               "name profiles",
	"PlacementPreferences":    "",
	"DiscreteGenericResource": "",
}

// byUs are the keys on which we act ourselves, with the test that shows it.
var byUs = map[string]string{
	"Project.jobs":                   "TestScheduledJobsAreRefused",
	"ServiceConfig.profiles":         "TestSelectionTakesDependenciesAndProfiles",
	"ServiceConfig.deploy":           "TestSpecifiedLimits",
	"ServiceConfig.scale":            "TestIntegrationRestartReplicasOneAtATime",
	"ServiceConfig.provider":         "TestIntegrationProvider",
	"ServiceConfig.pre_start":        "TestIntegrationHooks",
	"ServiceConfig.post_start":       "TestIntegrationHooks",
	"ServiceConfig.pre_stop":         "TestIntegrationHooks",
	"ContainerSpec.image":            "TestIntegrationAnImageThatIsNowhere",
	"ContainerSpec.cpus":             "TestFitClampsAndRuntimesFollow",
	"ContainerSpec.mem_limit":        "TestFitClampsAndRuntimesFollow",
	"ContainerSpec.mem_reservation":  "TestExplain",
	"ContainerSpec.ulimits":          "TestFitClampsOpenFiles",
	"WorkloadSpec.build":             "TestEveryFieldOfABuildSectionIsDecidedOn",
	"WorkloadSpec.dockerfile":        "TestEveryFieldOfABuildSectionIsDecidedOn",
	"WorkloadSpec.depends_on":        "TestIntegrationConditions",
	"WorkloadSpec.healthcheck":       "TestIntegrationChecks",
	"WorkloadSpec.ports":             "TestIntegrationAPublishedPortIsAwaited",
	"Resource.cpus":                  "TestSpecifiedLimits",
	"Resource.memory":                "TestSpecifiedLimits",
	"ServiceDependency.condition":    "TestIntegrationConditions",
	"ServiceDependency.restart":      "TestIntegrationRestartOfDependants",
	"ServiceDependency.required":     "TestPlanOfConditions",
	"HealthCheckConfig.test":         "TestIntegrationChecks",
	"HealthCheckConfig.timeout":      "TestIntegrationAHangingCheckFailsInTime",
	"HealthCheckConfig.interval":     "TestPatienceFollowsTheCheck",
	"HealthCheckConfig.retries":      "TestPatienceFollowsTheCheck",
	"HealthCheckConfig.start_period": "TestPatienceFollowsTheCheck",
	"HealthCheckConfig.disable":      "TestReadyWithoutACheck",
	"TriggerConfig.schedule":         "TestScheduledJobsAreRefused",
}

// elsewhere are the keys of other commands of docker compose, which work on the same project, and old spellings that
// the schema refuses.
var elsewhere = map[string]string{
	"ServiceConfig.develop": "docker compose watch", "ServiceConfig.attach": "docker compose up without -d",
	"DevelopConfig.watch": "docker compose watch",
	"Trigger.path":        "docker compose watch", "Trigger.action": "docker compose watch",
	"Trigger.target": "docker compose watch",
	"Trigger.exec":   "docker compose watch", "Trigger.include": "docker compose watch",
	"Trigger.ignore":       "docker compose watch",
	"Trigger.initial_sync": "docker compose watch",
	"JobConfig.triggers":   "docker compose run", "TriggerConfig.manual": "docker compose run",
	"ScheduleConfig.cron": "refused with its job", "ScheduleConfig.timezone": "refused with its job",
	"ScheduleConfig.concurrency": "refused with its job", "ScheduleConfig.missed_fires": "refused with its job",
	"ServiceConfig.net":        "the schema refuses it: network_mode",
	"ContainerSpec.log_driver": "the schema refuses it: logging",
	"ContainerSpec.log_opt":    "the schema refuses it: logging",
	"ServicePortConfig.name":   "a name for people",
}

// said are the keys that nobody acts on and that are named in a warning, each with a file that has one.
var said = map[string]string{
	"DeployConfig.mode":            "services: {a: {image: x, deploy: {mode: global}}}",
	"DeployConfig.labels":          "services: {a: {image: x, deploy: {labels: {k: v}}}}",
	"DeployConfig.update_config":   "services: {a: {image: x, deploy: {update_config: {parallelism: 1}}}}",
	"DeployConfig.rollback_config": "services: {a: {image: x, deploy: {rollback_config: {parallelism: 1}}}}",
	"DeployConfig.placement": "services: {a: {image: x, deploy: {placement: {constraints: " +
		"[node.role==manager]}}}}",
	"DeployConfig.endpoint_mode": "services: {a: {image: x, deploy: {endpoint_mode: dnsrr}}}",
	"RestartPolicy.delay": "services: {a: {image: x, deploy: {restart_policy: {condition: any, delay: " +
		"1s}}}}",
	"RestartPolicy.window": "services: {a: {image: x, deploy: {restart_policy: {condition: any, window: " +
		"1s}}}}",
	"Resource.generic_resources": "services: {a: {image: x, deploy: {resources: {reservations: " +
		"{generic_resources: [{discrete_resource_spec: {kind: ssd, value: 1}}]}}}}}",
	"ContainerSpec.credential_spec":    "services: {a: {image: x, credential_spec: {file: f.json}}}",
	"ContainerSpec.pull_refresh_after": "services: {a: {image: x, pull_policy: refresh, pull_refresh_after: 24h}}",
	"ServiceConfigObjConfig.uid": "services: {a: {image: x, configs: [{source: c, uid: \"1\"}]}}\nconfigs: " +
		"{c: {content: t}}",
	"ServiceConfigObjConfig.gid": "services: {a: {image: x, configs: [{source: c, gid: \"1\"}]}}\nconfigs: " +
		"{c: {content: t}}",
	"ServiceConfigObjConfig.mode": "services: {a: {image: x, configs: [{source: c, mode: 0400}]}}\nconfigs: " +
		"{c: {content: t}}",
	"ServiceSecretConfig.uid": "services: {a: {image: x, secrets: [{source: c, uid: \"1\"}]}}\nsecrets: " +
		"{c: {environment: PATH}}",
	"ServiceSecretConfig.gid": "services: {a: {image: x, secrets: [{source: c, gid: \"1\"}]}}\nsecrets: " +
		"{c: {environment: PATH}}",
	"ServiceSecretConfig.mode": "services: {a: {image: x, secrets: [{source: c, mode: 0400}]}}\nsecrets: " +
		"{c: {environment: PATH}}",
	"ServicePortConfig.mode":         "services: {a: {image: x, ports: [{target: 80, mode: host}]}}",
	"ServicePortConfig.app_protocol": "services: {a: {image: x, ports: [{target: 80, app_protocol: http}]}}",
	"SecretConfig.labels": "services: {a: {image: x, secrets: [c]}}\nsecrets: {c: {environment: PATH, " +
		"labels: {k: v}}}",
	"SecretConfig.driver_opts": "services: {a: {image: x, secrets: [c]}}\nsecrets: {c: {environment: PATH, " +
		"driver_opts: {k: v}}}",
	"ConfigObjConfig.labels": "services: {a: {image: x, configs: [c]}}\nconfigs: {c: {content: t, labels: " +
		"{k: v}}}",
}

// whole are the types of keys that are said, or left to another command, as a whole: what is below them goes with them.
var whole = []string{
	"UpdateConfig", "Placement", "PlacementPreferences", "CredentialSpecConfig", "GenericResource",
	"DiscreteGenericResource",
}

// TestEveryKeyIsDecided walks the Compose types, so that a key that they get later fails until somebody decides about
// it. TestEveryFieldOfABuildSectionIsDecidedOn does it for builds.
func TestEveryKeyIsDecided(t *testing.T) {
	known, tests := map[string]bool{}, testNames(t)
	for typ, names := range byLibrary {
		for _, key := range strings.Fields(names) {
			known[typ+"."+key] = true
		}
	}
	for key, test := range byUs {
		known[key] = true
		if !tests[test] {
			t.Errorf("%s: there is no test %s", key, test)
		}
	}
	for key := range elsewhere {
		known[key] = true
	}
	for key := range said {
		known[key] = true
	}
	met := map[string]bool{}
	for _, key := range keys.All(whole...) {
		met[key] = true
		if !known[key] {
			t.Errorf("nobody has decided what is done about %s", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		if !met[key] {
			t.Errorf("the Compose types have no %s any more", key)
		}
	}
}

var testName = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// testNames are the tests of this repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, m := range testName.FindAllSubmatch(data, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestWhatNobodyActsOnIsSaid(t *testing.T) {
	for key, yaml := range said {
		t.Run(key, func(t *testing.T) {
			dir := write(t, "compose.yaml", yaml+"\n", "f.json", "{}")
			m, err := Load(context.Background(), Request{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if len(m.IgnoredKeys) != 1 {
				t.Fatalf("got %v, want one", m.IgnoredKeys)
			}
			u := m.IgnoredKeys[0]
			_, name, _ := strings.Cut(key, ".")
			if !strings.Contains(u.Path, name) || !strings.HasPrefix(u.Where, filepath.Join(dir, "compose.yaml")+":") {
				t.Errorf("got %+v, want it to name %s, and where", u, name)
			}
		})
	}
}

func TestIgnoredKeysSayTheLine(t *testing.T) {
	dir := write(t, "compose.yaml",
		"services:\n  web:\n    image: x\n    ports: [{target: 80, app_protocol: http}]\n    deploy:\n      "+
			"placement: {max_replicas_per_node: 1}\n")
	m, err := Load(context.Background(), Request{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range m.IgnoredKeys {
		got = append(got, strings.TrimPrefix(u.String(), dir+string(filepath.Separator)))
	}
	want := []string{
		"compose.yaml:6: web: deploy.placement is only honored by the Swarm scheduler",
		"compose.yaml:4: web: ports[80/tcp].app_protocol: an engine publishes bytes and does not look into them",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestScheduledJobsAreRefused(t *testing.T) {
	const job = "services: {a: {image: x}}\njobs:\n  nightly: {image: x, triggers: "
	m, err := Load(context.Background(),
		Request{Dir: write(t, "compose.yaml", job+"{schedule: [{cron: \"0 3 * * *\"}]}}\n")})
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckStartable(m.Project); err == nil || !strings.Contains(err.Error(), "nightly") {
		t.Errorf("got %v", err)
	}
	m, err = Load(context.Background(), Request{Dir: write(t, "compose.yaml", job+"{manual: true}}\n")})
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckStartable(m.Project); err != nil || !strings.Contains(strings.Join(m.Notices, "\n"), "nightly") {
		t.Errorf("a manual one: %v, %q", err, m.Notices)
	}
}
