package drill

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/composetest"
)

// harmless are the fields of a service and of a container by which it meets nobody, or of which what they lead to is
// taken away elsewhere: mounts and networks are the drill's, and where files come from is settled once they are loaded.
const harmless = ` Name Profiles Attach Extends Links Net Extensions Annotations BlkioConfig CapDrop CPUCount
CPUPercent CPUPeriod CPUQuota CPURTPeriod CPURTRuntime CPUS CPUSet CPUShares Command Configs CredentialSpec DNS DNSOpts
DNSSearch CustomLabels DomainName Entrypoint Environment EnvFiles GroupAdd Hostname Init Isolation LabelFiles
MemLimit MemReservation MemSwapLimit MemSwappiness OomKillDisable OomScoreAdj PidsLimit
PullRefreshAfter ReadOnly Runtime Secrets ShmSize StopGracePeriod StopSignal StorageOpt Sysctls Tmpfs
Ulimits User VolumeDriver WorkingDir DependsOn Dockerfile Expose HealthCheck StdinOpen Tty `

// taken are the fields that isolate changes.
const taken = ` CapAdd Gpus SecurityOpt Deploy Develop Restart Scale ContainerName Provider ExternalLinks PreStart
PostStart PreStop CgroupParent Cgroup DeviceCgroupRules Devices ExtraHosts Image Ipc Labels Logging LogDriver LogOpt MacAddress Models
NetworkMode Networks Pid Platform Privileged PullPolicy UseAPISocket UserNSMode Uts Volumes VolumesFrom Build Ports `

// Each key that a service can have is one by which it meets nobody, or is taken away: a new one has to be decided.
func TestIsolateKnowsEachKey(t *testing.T) {
	var walk func(reflect.Type)
	walk = func(of reflect.Type) {
		for n := range of.NumField() {
			field := of.Field(n)
			if field.Anonymous {
				walk(field.Type)
				continue
			}
			known := slices.Concat(strings.Fields(harmless), strings.Fields(taken))
			if !slices.Contains(known, field.Name) {
				t.Errorf("%s.%s: does a drill leave it?", of.Name(), field.Name)
			}
		}
	}
	walk(reflect.TypeFor[types.ServiceConfig]())
}

// A hook before the start is a container, with all that the service has where it says nothing else: it meets nobody
// either. Hooks in a container have no more rights than it.
func TestIsolateHooks(t *testing.T) {
	project := composetest.Load(t, `
services:
  web:
    image: web
    network_mode: host
    privileged: true
    use_api_socket: true
    volumes: ["/etc:/etc2"]
    pre_start:
      - {command: [migrate]}
      - {image: tool, command: [fill], user: root, volumes: ["/srv:/srv"], pid: host}
    post_start: [{command: [tune], privileged: true}]
    pre_stop: [{command: [drain], privileged: true}]
`)
	notes := isolate(project, "shop", project.WorkingDir, t.TempDir(), map[string]string{"web": "sha256:1"})
	web := project.Services["web"]
	if len(web.PreStart) != 2 || web.PreStart[0].Image != "sha256:1" || web.PreStart[1].Image != "tool" {
		t.Fatalf("hooks: %+v", web.PreStart)
	}
	for _, c := range []types.ContainerSpec{
		web.ContainerSpec, web.PreStart[0].ContainerSpec, web.PreStart[1].ContainerSpec,
	} {
		if c.NetworkMode != "" || len(c.Networks) != 1 || c.Privileged || c.UseAPISocket || c.Pid != "" ||
			len(c.Volumes) > 0 || c.Labels[label] != "shop" || c.PullPolicy != types.PullPolicyNever {
			t.Errorf("%v is not apart: %+v", c.Command, c)
		}
	}
	if web.PostStart[0].Privileged || web.PreStop[0].Privileged {
		t.Error("commands in the container are privileged")
	}
	if !slices.Contains(notes, "web does not see the engine's socket") || len(notes) != len(slices.Compact(notes)) {
		t.Errorf("%q", notes)
	}
}

// A container has no more rights in the drill than the engine gives to each, and nothing of the machine.
func TestIsolateRights(t *testing.T) {
	project := composetest.Load(t, `
services:
  web:
    image: web
    gpus: all
    cap_drop: [ALL]
    cap_add: [CHOWN, cap_setuid, NET_ADMIN, SYS_ADMIN, ALL]
    security_opt: ["no-new-privileges:true", "seccomp=unconfined", "apparmor:unconfined", "label:disable",
      "no-new-privileges:false", "systempaths=unconfined", "seccomp:./profile.json"]
    deploy: {resources: {reservations: {memory: 64M, devices: [{capabilities: [gpu], count: 1}]}}}
    pre_start: [{command: [x], cap_add: [SYS_PTRACE, CHOWN]}]
`)
	notes := isolate(project, "shop", project.WorkingDir, t.TempDir(), map[string]string{"web": "web"})
	web := project.Services["web"]
	if got := strings.Join(web.CapAdd, " "); got != "CHOWN cap_setuid" {
		t.Errorf("rights: %s", got)
	}
	if got := web.SecurityOpt; len(got) != 2 || got[0] != "no-new-privileges:true" ||
		!strings.HasPrefix(got[1], "seccomp:") {
		t.Errorf("options: %q", got)
	}
	if r := web.Deploy.Resources.Reservations; len(web.Gpus)+len(r.Devices) > 0 || r.MemoryBytes == 0 {
		t.Errorf("devices: %v, %+v", web.Gpus, r)
	}
	if got := strings.Join(web.PreStart[0].CapAdd, " "); !strings.Contains(got, "CHOWN") ||
		strings.Contains(got, "SYS_") {
		t.Errorf("rights of a hook: %s", got)
	}
	for _, want := range []string{
		"web has no devices and is not privileged in the drill", "web does not have SYS_ADMIN in the drill",
		"web does not have seccomp=unconfined in the drill", "web does not have SYS_PTRACE in the drill",
	} {
		if !slices.Contains(notes, want) {
			t.Errorf("%q does not say %q", notes, want)
		}
	}
}

// Models are run by a program outside of the engine.
func TestIsolateModels(t *testing.T) {
	project := composetest.Load(t, `
services: {web: {image: web, models: [small]}}
models: {small: {model: ai/small}}
`)
	notes := isolate(project, "shop", project.WorkingDir, t.TempDir(), map[string]string{"web": "web"})
	if len(project.Models)+len(project.Services["web"].Models) > 0 || len(notes) != 1 {
		t.Errorf("%+v, %q", project.Models, notes)
	}
}

// A directory of this machine is not shown where a process can be reached by it, though nobody may write there.
func TestMountsLeadToNoProcess(t *testing.T) {
	root, files := t.TempDir(), t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "run", "deep"), 0o755))
	must(t, os.Mkdir(filepath.Join(root, "plain"), 0o755))
	must(t, os.Symlink("run", filepath.Join(root, "link")))
	socket, err := net.Listen("unix", filepath.Join(root, "run", "deep", "s"))
	must(t, err)
	defer func() { _ = socket.Close() }()
	i := isolation{files: files, root: root}
	for name, shown := range map[string]bool{
		"plain": true, "run": false, "run/deep/s": false, "link": false, "nothing": false,
	} {
		at := filepath.Join(files, name)
		got := i.mounts("web", []types.ServiceVolumeConfig{{Type: types.VolumeTypeBind, Source: at, Target: "/x"}})
		if live := got[0].Source == filepath.Join(root, name); live != shown || live && !got[0].ReadOnly ||
			!live && got[0].Source != at {
			t.Errorf("%s: %+v, %q", name, got, i.notes)
		}
	}
}

func TestOnlyFiles(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "project", "conf"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "project", "compose.yaml"), nil, 0o600))
	must(t, onlyFiles(dir))
	must(t, os.Symlink("/etc", filepath.Join(dir, "project", "conf", "all")))
	if err := onlyFiles(dir); err == nil || !strings.Contains(err.Error(), `"project/conf/all"`) {
		t.Errorf("a link: %v", err)
	}
}

// A secret that this machine has, and the snapshot has not, is missing; one that nobody uses is not.
func TestLacking(t *testing.T) {
	here := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(here, []byte("x"), 0o600))
	project := composetest.Load(t, `
services: {web: {image: web, secrets: [token, own], configs: [level, typed]}}
secrets: {token: {file: `+here+`}, own: {file: ./own}, unused: {file: ./unused}}
configs: {level: {file: ./level}, typed: {content: "3"}}
`)
	must(t, os.WriteFile(filepath.Join(project.WorkingDir, "own"), []byte("x"), 0o600))
	err := lacking(project, project.WorkingDir)
	if err == nil {
		t.Fatal("nothing is missing")
	}
	for _, want := range []string{`the secret "token" of web (` + here + `)`, `the config "level" of web`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if strings.Contains(err.Error(), `"own"`) || strings.Contains(err.Error(), "unused") ||
		strings.Contains(err.Error(), "typed") {
		t.Error(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
