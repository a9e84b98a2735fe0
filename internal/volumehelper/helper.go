// Package volumehelper owns the container in which restic reads and writes volumes whose files this process can't:
// those of a remote or a rootless engine, of Docker Desktop, or of an engine that is root's where this process is not.
// The container has the volumes, a shell and restic; the repository and the password are given to restic by this
// process. What is saved or restored is its callers' to say.
package volumehelper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/state"
)

// Image is the image that the container is made of.
const Image = "compose-mage/volume-helper"

// label is on the container; its value is whose it is.
const label = "com.25eloquence.volume-helper"

// The directories of the container.
const (
	Stage   = "/stage"     // what a snapshot is made of, on the engine's disk
	secrets = "/run/stage" // in memory: the password, credentials and pipes
	cgroups = "/cgroups"   // of the engine's machine, where containers are to stand still
	root    = "/root-of-volumes"
)

// Options say what a helper has.
type Options struct {
	Engine *engine.Engine
	Owner  string // who holds the lock by which there is one helper at a time: a project, or its drill
	// Mounts are the engine's volumes by the path below Stage at which the container has them.
	Mounts map[string]string
	Writes bool   // the volumes are written to
	Root   string // the engine's directory in which the volumes are, to have two of them change places; "" for none
	// Freezes is whether containers are to stand still.
	Freezes bool
	Network bool // restic reaches the repository by itself
}

// Helper is a container at work.
type Helper struct {
	Left bool // one before was killed, and may have left a lock in the repository
	Options
	id       string
	marker   string // is there while a helper is at work, or was killed
	stream   client.HijackedResponse
	said     chan string // what the container's first process says, line by line
	talk     sync.Mutex
	sent     map[string]fileState
	gates    int
	failed   bool // the last run of restic may have left a lock in the repository
	numbered bool // its processes have numbers that none has in a new helper
}

// Start makes a helper, after it has removed what is left of one before.
func Start(ctx context.Context, o Options) (*Helper, error) {
	h := &Helper{Options: o, sent: map[string]fileState{}, said: make(chan string, 100)}
	err := Sweep(ctx, o.Engine, o.Owner)
	if err != nil {
		return nil, err
	}
	if err := h.mark(); err != nil {
		return nil, err
	}
	if err := h.start(ctx); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func (h *Helper) start(ctx context.Context) error {
	made, err := h.Engine.ContainerCreate(ctx, h.specification())
	switch {
	case cerrdefs.IsNotFound(err):
		return missing()
	case err != nil:
		return fmt.Errorf("making the container that reads the volumes: %w", err)
	}
	h.id = made.ID
	attached, err := h.Engine.ContainerAttach(ctx, h.id, client.ContainerAttachOptions{
		Stream: true, Stdin: true, Stdout: true, Stderr: true,
	})
	if err != nil {
		return fmt.Errorf("reaching the container that reads the volumes: %w", err)
	}
	h.stream = attached.HijackedResponse
	go h.listen()
	if _, err := h.Engine.ContainerStart(ctx, h.id, client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("starting the container that reads the volumes: %w", err)
	}
	return h.expect(ctx, "ready")
}

// specification is what the container is made from: it has no right but those that reading, or writing, files of
// anybody takes, and ends with this process: what it is told by is its standard input.
func (h *Helper) specification() client.ContainerCreateOptions {
	host := &moby.HostConfig{
		AutoRemove: true, ReadonlyRootfs: true, CapDrop: []string{"ALL"}, CapAdd: []string{"DAC_READ_SEARCH"},
		SecurityOpt: []string{"no-new-privileges"}, NetworkMode: "none",
		Tmpfs:  map[string]string{secrets: "mode=0700,size=1m", "/tmp": "mode=0700,size=1m"},
		Mounts: []mount.Mount{{Type: mount.TypeVolume, Target: Stage}},
	}
	if h.Network {
		host.NetworkMode = "bridge"
	}
	if h.Writes {
		host.CapAdd = []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD", "SETFCAP"}
	}
	for at, volume := range h.Mounts {
		host.Mounts = append(host.Mounts, mount.Mount{
			Type: mount.TypeVolume, Source: volume, Target: Stage + "/" + at, ReadOnly: !h.Writes,
			VolumeOptions: &mount.VolumeOptions{NoCopy: true},
		})
	}
	if h.Freezes {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeBind, Source: "/sys/fs/cgroup", Target: cgroups})
	}
	if h.Root != "" {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeBind, Source: h.Root, Target: root})
	}
	return client.ContainerCreateOptions{
		Config: &moby.Config{
			Image: Image, Hostname: hostname, Cmd: []string{"bash", "-c", firstProcess, "bash"}, Entrypoint: []string{},
			Labels:    map[string]string{label: owner(h.Owner)},
			OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
		},
		HostConfig: host,
	}
}

// hostname is the container's: a lock of restic's that has it is a helper's, and no process of any machine with
// another name holds it.
const hostname = "compose-mage-volume-helper"

// owner is what a helper's label says: another machine may have a project of the same name on the same engine.
func owner(of string) string {
	machine, _ := os.Hostname()
	return of + "@" + machine
}

// Close ends the container, which the engine then removes.
func (h *Helper) Close() error {
	if h == nil {
		return nil
	}
	if h.stream.Conn != nil {
		h.stream.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := Sweep(ctx, h.Engine, h.Owner)
	if err == nil && !h.failed {
		err = os.Remove(h.marker)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the container that read the volumes: %w", err)
	}
	return nil
}

// Sweep removes what is left of a helper. Its owner's lock is held: none is at work.
func Sweep(ctx context.Context, e *engine.Engine, of string) error {
	found, err := e.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", label+"="+owner(of)),
	})
	if err != nil {
		return fmt.Errorf("looking for a container that a run before has left: %w", err)
	}
	for _, c := range found.Items {
		_, err := e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		for cerrdefs.IsConflict(err) && ctx.Err() == nil { // it is being removed
			if _, err = e.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{}); err == nil {
				time.Sleep(20 * time.Millisecond)
				_, err = e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
			}
		}
		if err != nil && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("removing the container %.12s, which reads volumes: %w", c.ID, err)
		}
	}
	return nil
}

// mark writes down that a helper is at work, and finds out whether one before was killed.
func (h *Helper) mark() error {
	dir, err := state.ProjectDir(h.Owner)
	if err != nil {
		return err
	}
	if err := state.MakeDir(dir); err != nil {
		return err
	}
	h.marker = filepath.Join(dir, "volume-helper")
	_, err = os.Stat(h.marker)
	h.Left = err == nil
	if err := state.WriteFile(h.marker, nil, 0o600); err != nil {
		return fmt.Errorf("recording that a container reads volumes: %w", err)
	}
	return nil
}

// listen reads what the container's first process says.
func (h *Helper) listen() {
	defer close(h.said)
	out, in := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(in, in, h.stream.Reader)
		_ = in.CloseWithError(err)
	}()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		h.said <- bounded.Line(lines.Text())
	}
	_ = out.Close()
}

// tell gives the container's first process a line.
func (h *Helper) tell(line string) error {
	if _, err := h.stream.Conn.Write([]byte(line + "\n")); err != nil {
		return fmt.Errorf("%w: %w", errEnded, err)
	}
	return nil
}

// errEnded is of a container that is no more.
var errEnded = errors.New("the container that reads the volumes has ended")

// next is the next line of the container's first process.
func (h *Helper) next(ctx context.Context) (string, error) {
	select {
	case line, ok := <-h.said:
		if !ok {
			return "", errEnded
		}
		return line, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// expect waits for a line of the container's first process. Another one is an error.
func (h *Helper) expect(ctx context.Context, word string) error {
	line, err := h.next(ctx)
	if err == nil && line != word {
		err = fmt.Errorf("the container that reads the volumes: %s", line)
	}
	return err
}
