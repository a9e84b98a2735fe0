package recreate

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/container"
)

// one is a container in that state.
func one(status moby.ContainerState, change func(*container.Replica)) container.Replica {
	c := container.Replica{InspectResponse: moby.InspectResponse{
		Name: "/p-s-1", State: &moby.State{Status: status, Running: status == moby.StateRunning},
		Config: &moby.Config{},
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
		want    Change
	}{
		"as it should be": {have: []container.Replica{up}},
		"stopped": {
			have: []container.Replica{ended(3)}, want: Change{Why: "p-s-1 exited (exit 3)", Start: true},
		},
		"a job that is done": {have: []container.Replica{ended(0)}},
		"a job that failed": {
			have: []container.Replica{ended(1)}, want: Change{Why: "p-s-1 exited (exit 1)", Start: true},
		},
		"never started": {
			have: []container.Replica{one(moby.StateCreated, nil)},
			want: Change{Why: "p-s-1 was made and never started", Start: true},
		},
		"unhealthy": {
			have: []container.Replica{one(moby.StateRunning, func(c *container.Replica) {
				c.State.Health = &moby.Health{Status: moby.Unhealthy}
			})},
			want: Change{Why: "p-s-1 is unhealthy"},
		},
		"looping": {
			have: []container.Replica{one(moby.StateRestarting, func(c *container.Replica) {
				c.State.Running, c.State.Restarting, c.RestartCount, c.State.ExitCode = true, true, 4, 3
			})},
			want: Change{Why: "p-s-1 keeps exiting (exit 3), restarted 4 times"},
		},
		"paused":  {have: []container.Replica{one(moby.StatePaused, nil)}, want: Change{Why: "p-s-1 is paused"}},
		"missing": {want: Change{Why: "s has no container", Start: true}},
		"scaled up": {
			service: types.ServiceConfig{Scale: &two}, have: []container.Replica{up},
			want: Change{Why: "s has 1 of 2 containers", Start: true},
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

func TestSpreadToThoseThatShare(t *testing.T) {
	project := composetest.Load(t, `services:
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
	project := composetest.Load(t, copied)
	want := map[string]content{
		"/inline": {
			"config inline",
			"hello",
		}, "/etc/fromenv": {"config fromenv", "f"}, "/sub/x": {"config relative", "r"},
		"/run/secrets/token": {
			"secret token",
			"t",
		}, "/run/secrets/other": {"secret token", "t"}, "/abs": {"secret token", "t"},
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
	project := composetest.Load(t, "services: {web: {image: \"x:2\", environment: {V: two}}}")
	c := Comparison{Project: project, Records: In(t.TempDir(), "p")}
	replicas := []moby.Summary{{ID: "id"}}
	if keys, recorded := c.changedKeys(project.Services["web"], replicas); recorded || keys != nil {
		t.Errorf("without a record: %v, %v", keys, recorded)
	}
	old := composetest.Load(t, "services: {web: {image: \"x:1\", environment: {V: one}}}")
	made, err := KeysOf(old.Services["web"], "id")
	if err == nil {
		err = c.Records.Keep("id", Record{Service: "web", Keys: made, Version: keysVersion})
	}
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"environment.V one -> two", "image x:1 -> x:2"}
	if keys, recorded := c.changedKeys(project.Services["web"], replicas); !recorded || !reflect.DeepEqual(keys, want) {
		t.Errorf("got %q, %v, want %q", keys, recorded, want)
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
	started := Record{Files: map[string]string{"/conf": FileID(path)}}
	unseen := one(moby.StateRunning, func(c *container.Replica) { c.ID, c.State.Pid = "no container's", os.Getpid() })
	look := func(record Record) bool {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		one := replaced(mounted, info, unseen, record, byRecord)
		// its process is none of the container's
		if other := replaced(mounted, info, unseen, record, byContainer); other != one {
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
	if look(Record{}) {
		t.Error("without a record something is claimed")
	}
}
