//go:build integration

package evidence

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// death is one way for a container to end, with what brings it about and what is to be said.
type death struct {
	name       string
	command    []string // of the probe
	entrypoint []string // instead of the probe
	limit      int64    // of its memory, in MiB
	shared     bool     // it is in a group with a limit
	end        func(ctx context.Context, e *engine.Engine, id string) error
	want       container.Cause
	words      string // a part of them
	after      container.Cause
}

// deaths are all twelve. after is what is to be said when the engine has forgotten its events; the kernel's log is
// still there.
var deaths = []death{
	{
		name: "memory", command: []string{"eat", "100", "300"}, limit: 32, want: container.OutOfMemory,
		words: "killed: out of memory (limit 32 MiB)", after: container.OutOfMemory,
	},
	{
		name: "child", command: []string{"lose", "100", "3"}, limit: 32, want: container.ChildOutOfMem,
		words: "a process in it was killed: out of memory (limit 32 MiB)", after: container.ChildOutOfMem,
	},
	{
		name: "host", command: []string{"eat", "100", "300"}, shared: true, limit: 90, want: container.HostOutOfMemory,
		words: "the machine, or the group that it shares with others, was out of memory",
		after: container.HostOutOfMemory,
	},
	{
		name: "grace", command: []string{"stubborn"}, end: stop, want: container.StopTimeout,
		words: "it did not end within its grace of 1", after: container.Unknown,
	},
	{
		name: "stop", command: []string{"sleep"}, end: stop, want: container.Stopped, words: "stopped (exit 0)",
		after: container.Completed,
	},
	{
		name: "docker-kill", command: []string{"sleep"}, end: kill, want: container.KilledByHand,
		words: "killed by docker kill (exit 137: killed)", after: container.Unknown,
	},
	{
		name: "kill-9", command: []string{"sleep"}, end: killOutside, want: container.Outside,
		words: "not through Docker", after: container.Unknown,
	},
	{
		name: "segfault", command: []string{"fault"}, want: container.Segfault,
		words: "crashed (exit 139: segmentation fault)", after: container.Segfault,
	},
	{
		name: "absent", entrypoint: []string{"/absent"}, want: container.NotFound,
		words: "could not be started (exit 127",
		after: container.NotFound,
	},
	{
		name: "forbidden", entrypoint: []string{"/forbidden"}, want: container.NotExecutable,
		words: "could not be started (exit 126", after: container.NotExecutable,
	},
	{
		name: "foreign", entrypoint: []string{"/foreign"}, want: container.ExecFormat,
		words: "for another architecture", after: container.ExecFormat,
	},
	{
		name: "exit", command: []string{"exit", "3"}, want: container.Failed, words: "exited (exit 3)",
		after: container.Failed,
	},
}

// TestDeaths stages the deaths on the machine's own engine, and TestDeathsOnACurrentEngine on a current one: each is
// named rightly when it has happened, when the container runs again, and never wrongly once the engine has forgotten
// its events, where nobody kept what was found out.
func TestDeaths(t *testing.T) { stage(t, enginetest.Connect(t), (*staged).toAnother) }

func TestDeathsOnACurrentEngine(t *testing.T) { stage(t, enginetest.Current(t, ""), func(*staged) {}) }

// staged are the twelve on one engine.
type staged struct {
	t              *testing.T
	engine         *engine.Engine
	project, group string
	ids            []string
}

func stage(t *testing.T, e *engine.Engine, also func(*staged)) {
	t.Helper()
	if !e.Local() || os.Geteuid() != 0 {
		t.Fatal("this test reads the kernel's log: it needs an engine on this machine, and root")
	}
	project := fmt.Sprintf("it-deaths-%d", time.Now().UnixNano())
	enginetest.Image(t, e, project, nil)
	s := &staged{t: t, engine: e, project: project, group: sharedGroup(t, e, project), ids: make([]string, len(deaths))}
	s.happen()
	dead := s.inspect()
	forgetOurs(t)
	s.named("at once", dead, func(d death) container.Cause { return d.want })
	also(s)
	began := s.startAgain()
	forgetOurs(t)
	s.named("started again", s.inspect(), func(d death) container.Cause { return d.want })
	if began < 9 {
		t.Errorf("only %d were started again", began)
	}
	kept := s.inspect()
	s.flood(300)
	s.named("kept, 300 events later", kept, func(d death) container.Cause { return d.want })
	forgetOurs(t)
	s.named("300 events later", dead, func(d death) container.Cause { return d.after })
}

// The user without rights of its own, and where its test finds the containers' IDs.
const (
	nobody    = 65534
	idsToName = "EVIDENCE_TEST_IDS"
)

// withoutLog is what there is to be said by somebody who may ask the engine and not read the kernel's log: never the
// wrong one of two.
var withoutLog = map[string]container.Cause{
	"memory": container.OwnOrHostMemory, "host": container.OwnOrHostMemory, "kill-9": container.HostOrHand,
}

// toAnother has another user name the deaths: this test again, in a process of that user's.
func (s *staged) toAnother() {
	socket, err := os.Stat(strings.TrimPrefix(s.engine.DaemonHost(), "unix://"))
	if err != nil {
		s.t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "evidence") // the test's own folder is closed to others
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	binary, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = errors.Join(os.WriteFile(filepath.Join(dir, "test"), binary, 0o600),
			os.Chmod(filepath.Join(dir, "test"), 0o755), os.Chmod(dir, 0o755),
			os.Mkdir(filepath.Join(dir, "state"), 0o700), os.Chown(filepath.Join(dir, "state"), nobody, nobody))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	command := exec.CommandContext(s.t.Context(), filepath.Join(dir, "test"), "-test.run=^TestNamedByAnother$",
		"-test.v")
	command.Dir = dir
	command.Env = append(os.Environ(), idsToName+"="+strings.Join(s.ids, ","),
		"COMPOSE_MAGE_STATE="+filepath.Join(dir, "state"), "HOME="+dir)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
		Uid: nobody, Gid: socket.Sys().(*syscall.Stat_t).Gid,
	}}
	if text, err := command.CombinedOutput(); err != nil {
		s.t.Errorf("named by another user: %v\n%s", err, text)
	} else if strings.Contains(string(text), "SKIP") {
		s.t.Errorf("nobody else has looked:\n%s", text)
	}
}

// TestNamedByAnother is what toAnother runs.
func TestNamedByAnother(t *testing.T) {
	ids := os.Getenv(idsToName)
	if ids == "" {
		t.Skip("TestDeaths runs it as another user")
	}
	if kernelLog() != nil {
		t.Log("the kernel's log is open to everybody here")
		return
	}
	s := &staged{t: t, engine: enginetest.Connect(t), ids: strings.Split(ids, ",")}
	s.named("by another user", s.inspect(), func(d death) container.Cause {
		if cause, less := withoutLog[d.name]; less {
			return cause
		}
		return d.want
	})
}

// happen makes and starts the containers, and ends those that do not end by themselves.
func (s *staged) happen() {
	var group errgroup.Group
	group.SetLimit(4)
	for i, d := range deaths {
		s.ids[i] = s.create(d)
		group.Go(func() error {
			_, err := s.engine.ContainerStart(s.t.Context(), s.ids[i], client.ContainerStartOptions{})
			if (err != nil) != (d.want == container.NotFound || d.want == container.NotExecutable) {
				return fmt.Errorf("starting %s: %w", d.name, err)
			}
			if d.end == nil || err != nil {
				return nil
			}
			time.Sleep(200 * time.Millisecond) // until the probe heeds signals
			return d.end(s.t.Context(), s.engine, s.ids[i])
		})
	}
	if err := group.Wait(); err != nil {
		s.t.Fatal(err)
	}
	for i, d := range deaths {
		enginetest.Until(s.t, 10*time.Second, d.name+" has ended", func() bool { return !s.look(i).State.Running })
	}
	time.Sleep(Fresh)
}

// create makes the container of one death, with the files that can't be run.
func (s *staged) create(d death) string {
	config := &moby.Config{
		Image: s.project, Cmd: append([]string{"once"}, d.command...), Entrypoint: d.entrypoint,
		Labels: enginetest.Labels(s.project, d.name, "False"),
	}
	host := &moby.HostConfig{Resources: moby.Resources{Memory: d.limit << 20, MemorySwap: d.limit << 20}}
	if d.shared {
		host.CgroupParent = s.group
	}
	id := enginetest.Container(s.t, s.engine, s.project+"-"+d.name, config, host, false)
	if d.entrypoint == nil {
		return id
	}
	var files bytes.Buffer
	elf := make([]byte, 4096) // of a machine that nobody has
	copy(elf, "\x7fELF\x02\x01\x01")
	elf[16], elf[18], elf[20] = 2, 0xee, 1
	w := tar.NewWriter(&files)
	for name, mode := range map[string]int64{"forbidden": 0o644, "foreign": 0o755} {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(elf))})
		if _, writeErr := w.Write(elf); err != nil || writeErr != nil {
			s.t.Fatal(err, writeErr)
		}
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.engine.CopyToContainer(s.t.Context(), id,
		client.CopyToContainerOptions{DestinationPath: "/", Content: &files}); err != nil {
		s.t.Fatalf("giving %s its files: %v", d.name, err)
	}
	return id
}

// startAgain starts those again whose program can be run, and says how many they are.
func (s *staged) startAgain() int {
	var group errgroup.Group
	group.SetLimit(4)
	n := 0
	for i, d := range deaths {
		if d.entrypoint != nil {
			continue
		}
		n++
		group.Go(func() error {
			_, err := s.engine.ContainerStart(s.t.Context(), s.ids[i], client.ContainerStartOptions{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// named holds what is said of each container's last end against what is to be said.
func (s *staged) named(when string, all []moby.InspectResponse, want func(d death) container.Cause) {
	s.t.Helper()
	right, began := 0, time.Now()
	var replicas []*container.Replica
	for _, c := range all {
		replicas = append(replicas, &container.Replica{InspectResponse: c})
	}
	Explain(s.t.Context(), s.engine, At(s.engine), replicas)
	for i, d := range deaths {
		end, _ := container.EndOf(all[i])
		if replicas[i].Last != nil {
			end = *replicas[i].Last
		}
		said := strings.ReplaceAll(end.String(), ", or the machine's memory)", ")")
		if end.Cause != want(d) || end.Cause == d.want && !strings.Contains(said, d.words) {
			s.t.Errorf("%s: %s is %s (%s), and is to be %s (%s)", when, d.name, end.Cause, end, want(d), d.words)
			continue
		}
		right++
	}
	s.t.Logf("%s: %d of %d named rightly, in %s", when, right, len(deaths), time.Since(began).Round(time.Millisecond))
}

func (s *staged) inspect() []moby.InspectResponse {
	out := make([]moby.InspectResponse, len(s.ids))
	for i := range s.ids {
		out[i] = s.look(i)
	}
	return out
}

func (s *staged) look(i int) moby.InspectResponse {
	got, err := s.engine.ContainerInspect(s.t.Context(), s.ids[i], client.ContainerInspectOptions{})
	if err != nil {
		s.t.Fatalf("inspecting %s: %v", deaths[i].name, err)
	}
	return got.Container
}

// flood makes the engine forget its events: it has so many others.
func (s *staged) flood(n int) {
	for i := range n / 2 { // a volume's creation and its removal
		name := fmt.Sprintf("%s-%d", s.project, i)
		if _, err := s.engine.VolumeCreate(s.t.Context(), client.VolumeCreateOptions{Name: name}); err != nil {
			s.t.Fatal(err)
		}
		if _, err := s.engine.VolumeRemove(s.t.Context(), name, client.VolumeRemoveOptions{}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// forgetOurs forgets what earlier looks kept.
func forgetOurs(t *testing.T) { t.Setenv("COMPOSE_MAGE_STATE", t.TempDir()) }

func stop(ctx context.Context, e *engine.Engine, id string) error {
	grace := 1
	_, err := e.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: &grace})
	return err
}

func kill(ctx context.Context, e *engine.Engine, id string) error {
	_, err := e.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "KILL"})
	return err
}

// killOutside kills the container's process as somebody on this machine would: its number here is not the one that an
// engine in a namespace of its own knows.
func killOutside(_ context.Context, _ *engine.Engine, id string) error {
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	for _, path := range groups {
		if text, readErr := os.ReadFile(path); readErr == nil && strings.Contains(string(text), id) {
			pid, numErr := strconv.Atoi(strings.Split(path, "/")[2])
			return errors.Join(numErr, syscall.Kill(pid, syscall.SIGKILL))
		}
	}
	return errors.Join(err, errors.New("no process is in its group"))
}

// sharedGroup makes a control group with a limit, for containers whose memory is to run out as a machine's does.
func sharedGroup(t *testing.T, e *engine.Engine, name string) string {
	t.Helper()
	if e.Info.CgroupDriver != "cgroupfs" {
		t.Skip("the parent of a container's control group is systemd's to make here")
	}
	root, limit := "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
	if e.Info.CgroupVersion == "2" {
		root, limit = "/sys/fs/cgroup", "memory.max"
	}
	group := filepath.Join(root, name)
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		made, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup", "*", name))
		for _, folder := range append(made, group) {
			if err := os.Remove(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Error(err)
			}
		}
	})
	if err := os.WriteFile(filepath.Join(group, limit), []byte(strconv.Itoa(48<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	return "/" + name
}
