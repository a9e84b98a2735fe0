package lifecycle

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/recreate"
)

// one is a container in that state.
func one(status moby.ContainerState, change func(*container.Replica)) container.Replica {
	c := container.Replica{InspectResponse: moby.InspectResponse{
		Name: "/p-s-1", State: &moby.State{Status: status, Running: status == moby.StateRunning}, Config: &moby.Config{},
	}}
	if change != nil {
		change(&c)
	}
	return c
}

func TestStateChange(t *testing.T) {
	up := one(moby.StateRunning, nil)
	ended := func(code int) container.Replica {
		return one(moby.StateExited, func(c *container.Replica) { c.State.ExitCode = code })
	}
	two := 2
	for name, c := range map[string]struct {
		service types.ServiceConfig
		have    []container.Replica
		want    change
	}{
		"as it should be":    {have: []container.Replica{up}},
		"stopped":            {have: []container.Replica{ended(3)}, want: change{why: "p-s-1 exited (exit 3)", start: true}},
		"a job that is done": {have: []container.Replica{ended(0)}},
		"a job that failed":  {have: []container.Replica{ended(1)}, want: change{why: "p-s-1 exited (exit 1)", start: true}},
		"never started": {
			have: []container.Replica{one(moby.StateCreated, nil)},
			want: change{why: "p-s-1 was made and never started", start: true},
		},
		"unhealthy": {
			have: []container.Replica{one(moby.StateRunning, func(c *container.Replica) {
				c.State.Health = &moby.Health{Status: moby.Unhealthy}
			})},
			want: change{why: "p-s-1 is unhealthy"},
		},
		"looping": {
			have: []container.Replica{one(moby.StateRestarting, func(c *container.Replica) {
				c.State.Running, c.State.Restarting, c.RestartCount, c.State.ExitCode = true, true, 4, 3
			})},
			want: change{why: "p-s-1 keeps exiting (exit 3), restarted 4 times"},
		},
		"paused":  {have: []container.Replica{one(moby.StatePaused, nil)}, want: change{why: "p-s-1 is paused"}},
		"missing": {want: change{why: "s has no container", start: true}},
		"scaled up": {
			service: types.ServiceConfig{Scale: &two}, have: []container.Replica{up},
			want: change{why: "s has 1 of 2 containers", start: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.service.Name = "s"
			if got := stateChange(c.service, c.have, time.Now()); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestStartPlanSaysWhatIsDone(t *testing.T) {
	plan := MakePlan(load(t, `services:
  db: {image: x}
  cache: {image: x}
  job: {image: x}
  none: {image: x, scale: 0}
  web: {image: x, depends_on: {db: {condition: service_healthy}, job: {condition: service_completed_successfully}}}
  worker: {image: x}
`), 2)
	plan.Kept = []string{"the volume data stays as it is"}
	done := one(moby.StateExited, nil)
	plan.act(map[string]change{
		"web": {why: "its image changed", recreate: true}, "cache": {why: "p-cache-1 does not run (exit 3)", start: true},
		"worker": {why: "0 of 1 containers are there", start: true}, "db": {why: "p-db-1 is unhealthy"},
	}, map[string][]container.Replica{"web": {done}, "cache": {done}, "db": {one(moby.StateRunning, nil)}, "job": {done}})
	want := `stage 0: start cache: p-cache-1 does not run (exit 3)
stage 0: keep db: p-db-1 is unhealthy
stage 0: run job
stage 0: keep none (0 replicas)
stage 0: create worker
stage 1: recreate web when db is healthy, job has completed: its image changed
at most 4 containers start at a time
the volume data stays as it is
`
	var got bytes.Buffer
	if plan.Print(&got); got.String() != want {
		t.Errorf("got:\n%swant:\n%s", got.String(), want)
	}
}

func TestSpreadToThoseThatShare(t *testing.T) {
	project := load(t, `services:
  web: {image: x}
  sidecar: {image: x, network_mode: "service:web"}
  debug: {image: x, pid: "service:sidecar"}
  absent: {image: x, ipc: "service:web"}
  free: {image: x, depends_on: [web]}
`)
	there := []container.Replica{one(moby.StateRunning, nil)}
	anew := map[string]string{"web": "its image changed"}
	spread(project, anew, map[string][]container.Replica{"web": there, "sidecar": there, "debug": there, "free": there})
	want := map[string]string{
		"web": "its image changed", "sidecar": "it shares the network of web", "debug": "it shares the pid of sidecar",
	}
	if !reflect.DeepEqual(anew, want) {
		t.Errorf("got %v, want %v", anew, want)
	}
}

const copied = `services:
  web:
    image: x
    configs: [inline, {source: fromenv, target: /etc/fromenv}, {source: relative, target: sub/x}, empty, file]
    secrets: [token, {source: token, target: other}, {source: token, target: /abs}, unset]
configs:
  inline: {content: "hello"}
  fromenv: {environment: FROMENV}
  relative: {content: "r"}
  empty: {environment: EMPTY}
  file: {file: ./conf}
secrets:
  token: {environment: TOKEN}
  unset: {environment: UNSET}
`

func TestContentsThatComposeCopies(t *testing.T) {
	for name, value := range map[string]string{"FROMENV": "f", "EMPTY": "", "TOKEN": "t"} {
		t.Setenv(name, value)
	}
	project := load(t, copied)
	want := map[string]content{
		"/inline": {"config inline", "hello"}, "/etc/fromenv": {"config fromenv", "f"}, "/sub/x": {"config relative", "r"},
		"/run/secrets/token": {"secret token", "t"}, "/run/secrets/other": {"secret token", "t"}, "/abs": {"secret token", "t"},
	}
	if got := contentsOf(project, project.Services["web"]); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCopiedIn(t *testing.T) {
	started := time.Date(2026, 11, 26, 12, 0, 0, 600_000_000, time.UTC)
	for name, c := range map[string]struct {
		modified time.Time
		want     bool
	}{
		"just before":          {started.Truncate(time.Second), true},
		"rounded up":           {started.Round(time.Second), true},
		"by a process, before": {started.Add(-time.Millisecond), false},
		"by a process, after":  {started.Add(time.Minute + 1), false},
		"by docker cp, later":  {started.Round(time.Second).Add(time.Minute), false},
	} {
		if got := copiedIn(c.modified, started); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// TestChangedKeys: without a record nothing is claimed.
func TestChangedKeys(t *testing.T) {
	project := load(t, "services: {web: {image: \"x:2\", environment: {V: two}}}")
	c := comparison{project: project, records: recreate.In(t.TempDir(), "p")}
	replicas := []moby.Summary{{ID: "id"}}
	if keys, recorded := c.changedKeys(project.Services["web"], replicas); recorded || keys != nil {
		t.Errorf("without a record: %v, %v", keys, recorded)
	}
	old := load(t, "services: {web: {image: \"x:1\", environment: {V: one}}}")
	made, err := recreate.KeysOf(old.Services["web"], "id")
	if err == nil {
		err = c.records.Keep("id", recreate.Record{Service: "web", Keys: made})
	}
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"environment.V", "image x:1 -> x:2"}
	if keys, recorded := c.changedKeys(project.Services["web"], replicas); !recorded || !reflect.DeepEqual(keys, want) {
		t.Errorf("got %q, %v, want %q", keys, recorded, want)
	}
}

// TestRestartOfNoName: an empty name is none of the services, and is not all of them.
func TestRestartOfNoName(t *testing.T) {
	for _, name := range []string{"", "cahce"} {
		_, err := restarterOf(nil, load(t, graph), RestartOptions{Services: []string{"web", name}})
		if typed := (*fault.Error)(nil); !errors.As(err, &typed) || typed.Code != fault.Usage {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestRestartOfAnInactiveProfile(t *testing.T) {
	r, err := restarterOf(nil, load(t, "services: {app: {image: x}, dbg: {image: x, profiles: [debug]}}"), RestartOptions{Services: []string{"dbg"}})
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	planRestart(r.project, nil, nil, RestartOptions{Services: []string{"dbg"}}).Print(&got)
	if want := "stage 0: restart dbg: it is named\nleft alone: app; -all restarts them too\n"; got.String() != want {
		t.Errorf("got:\n%swant:\n%s", got.String(), want)
	}
}

// TestReplacedByTheRecord: where this user may not look into the container, only a record says which file it has.
func TestReplacedByTheRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "conf")
	write := func(path, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path, "one")
	mounted := moby.MountPoint{Type: mount.TypeBind, Source: path, Destination: "/conf"}
	started := recreate.Record{Files: map[string]string{"/conf": recreate.FileID(path)}}
	unseen := one(moby.StateRunning, func(c *container.Replica) { c.ID, c.State.Pid = "no container's", os.Getpid() })
	look := func(record recreate.Record) bool {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		one := replaced(mounted, info, unseen, record, byRecord)
		if other := replaced(mounted, info, unseen, record, byContainer); other != one { // its process is none of the container's
			t.Errorf("by record %v, else %v", one, other)
		}
		return one
	}
	write(path, "in place")
	if look(started) {
		t.Error("a file that was edited in place counts as replaced")
	}
	write(path+".new", "two")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if !look(started) {
		t.Error("a file that was replaced is not seen")
	}
	if look(recreate.Record{}) {
		t.Error("without a record something is claimed")
	}
}
