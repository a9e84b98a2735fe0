//go:build integration

package integration

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/moby/moby/client"

	ours "github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// changing has a service for each kind of change. Those in back are found by their names.
const changing = `x-idle: &idle
  image: BASE
  init: true
  stop_grace_period: 1s
  command: [sleep, "1000"]
services:
  inline: {<<: *idle, configs: [{source: inline, target: /etc/inline}]}
  fromenv: {<<: *idle, configs: [fromenv]}
  token: {<<: *idle, secrets: [token]}
  written: {<<: *idle, command: [sh, -c, "echo own > /inline; exec sleep 1000"], configs: [inline]}
  file: {<<: *idle, volumes: ["./conf:/conf:ro"]}
  link: {<<: *idle, volumes: ["./linked:/var/run/linked:ro"]}
  folder: {<<: *idle, volumes: ["./folder:/folder:ro"]}
  secretfile: {<<: *idle, secrets: [infile]}
  one: {<<: *idle, networks: [back]}
  other: {<<: *idle, networks: [back, default]}
  shares: {<<: *idle, network_mode: "service:tagged"}
  tagged: {<<: *idle, image: "it-changed:${COMPOSE_PROJECT_NAME}"}
  settings: {<<: *idle, environment: {V: "${V-1}"}, mem_limit: "${LIMIT-32m}"}
  scaled: {<<: *idle, scale: "${SCALE-1}"}
configs:
  inline: {content: "inline ${INLINE-1}"}
  fromenv: {environment: FROMENV}
secrets:
  token: {environment: TOKEN}
  infile: {file: ./infile}
networks:
  back: {labels: {v: "${NET-1}"}}
`

// newChanging has the stack's files, and its image's name.
func newChanging(t *testing.T) *fixture {
	t.Helper()
	base := enginetest.Base(t)
	f := newFixture(t, "compose.yaml", strings.Replace(changing, "BASE", base, 1),
		"conf", "1", "linked", "1", "infile", "1", "folder/in", "1")
	t.Setenv("FROMENV", "1")
	t.Setenv("TOKEN", "1")
	for _, v := range []string{"INLINE", "NET", "V", "LIMIT", "SCALE"} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	tag := "it-changed:" + f.name
	t.Cleanup(func() {
		f.removeContainers() // an image in use stays
		_, _ = f.engine.ImageRemove(t.Context(), tag, client.ImageRemoveOptions{})
	})
	f.tag(base, tag)
	return f
}

func (f *fixture) tag(source, target string) {
	f.t.Helper()
	if _, err := f.engine.ImageInspect(f.t.Context(), source); err != nil { // the registry has it, the engine need not
		pull, err := f.engine.ImagePull(f.t.Context(), source, client.ImagePullOptions{})
		if err == nil {
			err = pull.Wait(f.t.Context())
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
	if _, err := f.engine.ImageTag(f.t.Context(), client.ImageTagOptions{Source: source, Target: target}); err != nil {
		f.t.Fatal(err)
	}
}

// retag gives the tag to an image with the same files and another configuration.
func (f *fixture) retag(tag string) {
	f.t.Helper()
	if _, err := f.engine.ContainerCommit(f.t.Context(), f.containers("tagged")[0].ID, client.ContainerCommitOptions{
		Reference: tag, NoPause: true, Changes: []string{"LABEL com.docker.compose.project=" + f.name},
	}); err != nil {
		f.t.Fatal(err)
	}
}

// replace puts another file or directory in a name's place, as editors and git do.
func (f *fixture) replace(name, content string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if err := os.Rename(path, path+".old"); err != nil {
			f.t.Fatal(err)
		}
		f.write(name+"/in", content)
		return
	}
	f.write(name+".new", content)
	if err := os.Rename(path+".new", path); err != nil {
		f.t.Fatal(err)
	}
}

// kind is one change of the stack: what is done, which services are made anew and why, and what is in a service's
// file then.
type kind struct {
	name    string
	do      func(*fixture)
	touched []string
	why     string
	holds   [3]string // service, file, content
}

// kinds are all changes of the stack to value; recorded says whether it is known what the containers were made from.
func kinds(value string, recorded bool) []kind {
	set := func(name string) func(*fixture) { return func(f *fixture) { f.t.Setenv(name, value) } }
	keys, written := "", []string{"inline"} // what a process has written over tells nothing
	if recorded {
		keys, written = ": environment.V", []string{"inline", "written"}
	}
	return []kind{
		{
			"inline config", set("INLINE"), written, "the content of its config inline changed",
			[3]string{"inline", "/etc/inline", "inline " + value},
		},
		{
			"config from the environment", set("FROMENV"),
			[]string{"fromenv"},
			"the content of its config fromenv changed",
			[3]string{"fromenv", "/fromenv", value},
		},
		{
			"secret from the environment", set("TOKEN"),
			[]string{"token"},
			"the content of its secret token changed",
			[3]string{"token", "/run/secrets/token", value},
		},
		{
			"file edited in place", func(f *fixture) { f.write("conf", "in place "+value) }, nil, "",
			[3]string{"file", "/conf", "in place " + value},
		},
		{
			"file replaced by its like", func(f *fixture) { f.replace("conf", "in place "+value) }, nil, "",
			[3]string{"file", "/conf", "in place " + value},
		},
		{
			"file replaced", func(f *fixture) { f.replace("conf", value) },
			[]string{"file"},
			"it still has the old ./conf, which was replaced",
			[3]string{"file", "/conf", value},
		},
		{
			"file behind a link replaced", func(f *fixture) { f.replace("linked", value) },
			[]string{"link"},
			"the old ./linked",
			[3]string{"link", "/run/linked", value},
		},
		{
			"secret's file replaced", func(f *fixture) { f.replace("infile", value) },
			[]string{"secretfile"},
			"the old ./infile",
			[3]string{"secretfile", "/run/secrets/infile", value},
		},
		{
			"directory replaced", func(f *fixture) { f.replace("folder", value) },
			[]string{"folder"},
			"the old ./folder",
			[3]string{"folder", "/folder/in", value},
		},
		{"network", set("NET"), []string{"one", "other"}, "the settings of its network back changed", [3]string{}},
		{
			"image", func(f *fixture) { f.retag("it-changed:" + f.name) },
			[]string{"tagged", "shares"},
			"its image changed",
			[3]string{},
		},
		{"configuration", set("V"), []string{"settings"}, "its configuration changed" + keys, [3]string{}},
		{
			"limit", func(f *fixture) { f.t.Setenv("LIMIT", "64m") },
			[]string{"settings"},
			"its configuration changed",
			[3]string{},
		},
	}
}

// expectOnly applies each change and looks at which containers are others after run, and that a second run leaves all
// alone.
func (f *fixture) expectOnly(changes []kind, run func() error) {
	f.t.Helper()
	for _, k := range changes {
		before := f.ids()
		k.do(f)
		f.out.Reset()
		if err := run(); err != nil {
			f.t.Fatalf("%s: %v\n%s", k.name, err, f.out.String())
		}
		if now := f.ids(); !slices.Equal(touched(before, now), sorted(k.touched)) {
			f.t.Errorf("%s: touched %v, want %v\n%s", k.name, touched(before, now), k.touched, f.out.String())
		}
		contains(f.t, f.out.String(), k.why)
		if k.holds[0] != "" {
			f.holds(k.holds[0], k.holds[1], k.holds[2])
		}
	}
	before := f.ids()
	if err := run(); err != nil {
		f.t.Fatal(err)
	}
	if all := touched(before, f.ids()); len(all) > 0 {
		f.t.Errorf("nothing changed: touched %v\n%s", all, f.out.String())
	}
	for _, name := range []string{"one", "other"} { // docker compose itself loses the names with the network
		done, err := engine.Exec(f.t.Context(), f.engine, f.containers("one")[0].ID, []string{"getent", "hosts", name})
		if err != nil || done.Code != 0 {
			f.t.Errorf("nobody finds %s any more: %v, %+v", name, err, done)
		}
	}
}

func touched(before, now map[string][]string) []string {
	var out []string
	for _, service := range slices.Sorted(maps.Keys(now)) {
		if !slices.Equal(before[service], now[service]) {
			out = append(out, service)
		}
	}
	return out
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

// holds fails where a service's container does not have the content in its file.
func (f *fixture) holds(service, file, content string) {
	f.t.Helper()
	done, err := engine.Exec(f.t.Context(), f.engine, f.containers(service)[0].ID, []string{"cat", file})
	if err != nil || done.Stdout != content {
		f.t.Errorf("%s has %q in %s, want %q: %v", service, done.Stdout, file, content, err)
	}
}

// upByCompose makes the containers as docker compose up -d does.
func (f *fixture) upByCompose() {
	f.t.Helper()
	library, err := compose.NewComposeService(f.engine.CLI)
	if err != nil {
		f.t.Fatal(err)
	}
	project, err := container.Labelled(f.load().Project)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := library.Up(f.t.Context(), project,
		api.UpOptions{
			Create: api.CreateOptions{Inherit: true, QuietPull: true}, Start: api.StartOptions{Project: project},
		}); err != nil {
		f.t.Fatal(err)
	}
}

// TestIntegrationStartSeesEveryChange: each kind of change is seen, only its services are made anew, and what is new
// arrives.
func TestIntegrationStartSeesEveryChange(t *testing.T) {
	f := newChanging(t)
	o := lifecycle.StartOptions{Out: ui.New(&f.out), Records: recreate.In(t.TempDir(), f.name)}
	run := func() error { return lifecycle.Start(t.Context(), f.engine, f.load().Project, o) }
	if err := run(); err != nil {
		t.Fatal(err)
	}
	f.expectOnly(kinds("2", true), run)
}

// TestIntegrationRestartSeesEveryChange: a restart sees them too, of containers that docker compose made, and without
// a record of anything.
func TestIntegrationRestartSeesEveryChange(t *testing.T) {
	f := newChanging(t)
	f.upByCompose()
	dir := t.TempDir()
	o := lifecycle.RestartOptions{Records: recreate.In(dir, f.name)}
	run := func() error {
		if err := os.RemoveAll(filepath.Join(dir, "projects")); err != nil {
			t.Fatal(err)
		}
		return f.restart(t.Context(), "", o)
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	contains(t, f.out.String(), "nothing changed in ")
	f.expectOnly(kinds("2", false), run)
}

// TestIntegrationPlansTouchNothing: what a dry run says is what would be done, of each service, and nothing is.
func TestIntegrationPlansTouchNothing(t *testing.T) {
	f := newChanging(t)
	records := recreate.In(t.TempDir(), f.name)
	if err := lifecycle.Start(t.Context(), f.engine, f.load().Project,
		lifecycle.StartOptions{Out: ui.New(&f.out), Records: records}); err != nil {
		t.Fatal(err)
	}
	f.replace("conf", "2")
	for _, v := range []string{"INLINE", "NET", "V", "SCALE"} {
		t.Setenv(v, "2")
	}
	t.Setenv("LIMIT", "64m")
	f.retag("it-changed:" + f.name)
	before, network := f.ids(), f.networkID("back")
	project := f.load().Project
	start, err := lifecycle.PlanStart(t.Context(), f.engine, project, records)
	if err != nil {
		t.Fatal(err)
	}
	restart, err := lifecycle.PlanRestart(t.Context(), f.engine, project, lifecycle.RestartOptions{Records: records})
	if err != nil {
		t.Fatal(err)
	}
	if all := touched(before, f.ids()); len(all) > 0 || f.networkID("back") != network {
		t.Errorf("the plans touched %v, or the network", all)
	}
	var text strings.Builder
	start.Print(&text)
	contains(t, text.String(),
		"recreate file: it still has the old ./conf, which was replaced\n",
		"recreate inline: the content of its config inline changed\n",
		"recreate settings: its configuration changed: environment.V 1 -> 2, mem_limit 32MiB -> 64MiB\n",
		"recreate tagged: its image changed: it-changed:"+f.name+" sha256:",
		"recreate shares when tagged is started (restarts with it): it shares the network of tagged\n",
		"recreate one: the settings of its network back changed\n",
		"start scaled (2 replicas): scaled has 1 of 2 containers\n", "keep token\n")
	text.Reset()
	restart.Print(&text)
	contains(t, text.String(), "replace file: ", "replace inline: ", "replace settings: ", "replace tagged: ",
		"replace shares: ", "replace one: ", "replace other: ",
		"start scaled: scaled has 1 of 2", "left alone: folder, fromenv, link, secretfile, token;")
}

// TestIntegrationANetworkThatTheContainerIsNotIn: a service is put into a network whose settings change at the same
// time, as by changing to another branch. docker compose up fails then.
func TestIntegrationANetworkThatTheContainerIsNotIn(t *testing.T) {
	base := enginetest.Base(t)
	file := func(networks, label string) string {
		idle := "{image: " + base + ", init: true, stop_grace_period: 1s, command: [sleep, \"1000\"], networks: "
		return "services:\n  one: " + idle + networks + "}\n  other: " + idle +
			"[back]}\nnetworks: {back: {labels: {v: " + label + "}}}\n"
	}
	for _, mode := range []string{"start", "restart"} {
		t.Run(mode, func(t *testing.T) {
			f := newFixture(t, "compose.yaml", file("[default]", "one"))
			f.mustStart()
			f.write("compose.yaml", file("[back]", "two"))
			var err error
			if mode == "start" {
				err = f.start(t.Context())
			} else {
				err = f.restart(t.Context(), "", lifecycle.RestartOptions{Services: []string{"one"}})
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, f.out.String())
			}
			done, err := engine.Exec(t.Context(), f.engine, f.containers("one")[0].ID,
				[]string{"getent", "hosts", "other"})
			if err != nil || done.Code != 0 {
				t.Errorf("one does not find other: %v, %+v\n%s", err, done, f.out.String())
			}
		})
	}
}

// TestIntegrationANetworkThatOthersAreIn: docker compose stops one, and then can't remove the network. What is
// advised helps.
func TestIntegrationANetworkThatOthersAreIn(t *testing.T) {
	idle := "{image: " + enginetest.Base(t) +
		", init: true, stop_grace_period: 1s, command: [sleep, \"1000\"], networks: [back]"
	f := newFixture(t, "compose.yaml", "services:\n  one: "+idle+"}\n  other: "+idle+
		", profiles: [debug]}\nnetworks: {back: {labels: {v: \"${NET-1}\"}}}\n")
	start := func(services ...string) error {
		f.out.Reset()
		s, err := ours.Load(t.Context(), ours.Request{Dir: f.dir, Services: services})
		if err != nil {
			t.Fatal(err)
		}
		return lifecycle.Start(t.Context(), f.engine, s.Project, lifecycle.StartOptions{Out: ui.New(&f.out)})
	}
	if err := start("one", "other"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NET", "2")
	before := f.ids()
	for name, run := range map[string]func() error{
		"start": func() error { return start() },
		"restart": func() error {
			return f.restart(t.Context(), "", lifecycle.RestartOptions{})
		},
	} {
		wants(t, run(), fault.Config, f.name+"_back changed", f.name+
			"-other-1, which is not to be started here, is in it; nothing was touched",
			"next: go tool mage start one other")
		if all := touched(before, f.ids()); len(all) > 0 {
			t.Errorf("%s touched %v", name, all)
		}
	}
	if err := start("one", "other"); err != nil {
		t.Fatalf("what was advised: %v", err)
	}
	if all := touched(before, f.ids()); len(all) != 2 {
		t.Errorf("what was advised touched %v", all)
	}
}

func (f *fixture) networkID(key string) string {
	f.t.Helper()
	found, err := f.engine.NetworkInspect(f.t.Context(), f.name+"_"+key, client.NetworkInspectOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	return found.Network.ID
}

// TestIntegrationVolumeKeepsItsData: docker compose asks whether a volume whose settings changed shall be made anew,
// without its data.
func TestIntegrationVolumeKeepsItsData(t *testing.T) {
	f := newFixture(t, "compose.yaml", `services:
  db: {image: `+enginetest.Base(t)+
		`, init: true, stop_grace_period: 1s, command: [sleep, "1000"], volumes: ["data:/data"]}
volumes: {data: {labels: {v: "${NET-1}"}}}
`)
	f.mustStart()
	before := f.ids()
	t.Setenv("NET", "2")
	f.mustStart()
	contains(t, f.out.String(), "the volume "+f.name+
		"_data has other settings than the Compose file's: it stays as it is, with its data")
	f.out.Reset()
	if err := f.restart(t.Context(), "", lifecycle.RestartOptions{}); err != nil {
		t.Fatal(err)
	}
	contains(t, f.out.String(), "nothing changed in db", "the volume "+f.name+"_data has other settings")
	if all := touched(before, f.ids()); len(all) > 0 {
		t.Errorf("touched %v", all)
	}
}
