package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/pinned"
	"github.com/25eloquence/compose-mage/internal/restic"
)

// The names of what the bench makes in the engine.
const (
	project = "bench-backup"
	image   = "bench-backup/service:latest"
	volume  = project + "_data"
	store   = project + "-store-1" // the container
)

// composeFile is the project's.
const composeFile = "name: " + project + "\nservices: {store: {image: '" + image + "', volumes: ['data:/data']}}\n" +
	"volumes: {data: {}}\n"

// bench is what the runs stand on.
type bench struct {
	config  config
	root    string // of the repository
	work    string
	engine  *engine.Engine
	restic  restic.Program
	tool    []string // the program of our targets, and what comes before a target's name
	toolEnv []string
	data    string // path of the volume's files
	started bool   // the shipped stack
}

// open makes the tools, the image and the volume's directory. Also after an error the bench is to be closed.
func open(ctx context.Context, c config) (*bench, error) {
	b, err := stand(ctx, c)
	if err != nil {
		return b, err
	}
	rig.Say("compiling the targets")
	mage, err := rig.BuildMage(ctx, b.root, b.work)
	if err != nil {
		return b, err
	}
	targets := filepath.Join(b.work, "targets")
	_, err = rig.Output(b.command(ctx, mage, "-compile", targets))
	b.tool = []string{targets}
	return b, err
}

// stand is open without the targets.
func stand(ctx context.Context, c config) (*bench, error) {
	b := &bench{config: c}
	var err error
	if os.Geteuid() != 0 {
		return b, errors.New("the bench has to run as root: it writes to a volume of the engine's")
	}
	if b.root, err = os.Getwd(); err != nil {
		return b, fmt.Errorf("finding the repository: %w", err)
	}
	if b.work, err = rig.WorkDir(c.dir); err != nil {
		return b, err
	}
	if b.restic, err = restic.Find(ctx); err != nil {
		return b, err
	}
	if b.engine, err = engine.Connect(ctx); err != nil {
		return b, err
	}
	if err := errors.Join(b.remove(ctx), os.MkdirAll(filepath.Join(b.work, "p"), 0o700),
		os.WriteFile(filepath.Join(b.work, "p", "compose.yaml"), []byte(composeFile), 0o600),
		os.WriteFile(b.password(), []byte("for a bench\n"), 0o600)); err != nil {
		return b, err
	}
	return b, rig.ServiceImage(ctx, b.engine, b.root, b.work, image, "./backup/service")
}

// close removes what the bench has made.
func (b *bench) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var failed []error
	if b.started {
		failed = append(failed, b.downShipped(ctx))
	}
	if b.engine != nil {
		failed = append(failed, b.remove(ctx))
		_, _ = b.engine.ImageRemove(ctx, image, client.ImageRemoveOptions{Force: true}) // it may not be there
	}
	return errors.Join(append(failed, os.RemoveAll(b.work))...)
}

// remove removes the container and the volume, where they are there.
func (b *bench) remove(ctx context.Context) error {
	_, err := b.engine.ContainerRemove(ctx, store, client.ContainerRemoveOptions{Force: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("removing the bench's container: %w", err)
	}
	_, err = b.engine.VolumeRemove(ctx, volume, client.VolumeRemoveOptions{Force: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("removing the bench's volume: %w", err)
	}
	return nil
}

// fresh makes the volume anew, of files of so many MiB each, and starts the service, which writes so many pages a
// second.
func (b *bench) fresh(ctx context.Context, file int64, pages int) error {
	if err := b.remove(ctx); err != nil {
		return err
	}
	made, err := b.engine.VolumeCreate(ctx, client.VolumeCreateOptions{Name: volume, Labels: map[string]string{
		container.ProjectLabel: project, container.VolumeLabel: "data",
	}})
	if err != nil {
		return fmt.Errorf("making the volume: %w", err)
	}
	b.data = made.Volume.Mountpoint
	rig.Say("filling the volume with %d MiB", b.config.size)
	if err := fill(b.data, b.config.size<<20, file<<20); err != nil {
		return err
	}
	_, err = b.engine.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: store,
		Config: &moby.Config{
			Image: image, User: "0", Env: []string{fmt.Sprintf("PAGES=%d", pages)},
			Healthcheck: &moby.HealthConfig{
				Test: []string{"CMD", "/service", "-check"}, Interval: 10 * time.Second, Timeout: 5 * time.Second,
			},
			Labels: map[string]string{container.ProjectLabel: project, container.ServiceLabel: "store"},
		},
		HostConfig: &moby.HostConfig{Mounts: []mount.Mount{
			{Type: mount.TypeVolume, Source: volume, Target: "/data"},
		}},
	})
	if err == nil {
		err = b.start(ctx)
	}
	if err != nil {
		return fmt.Errorf("starting the service: %w", err)
	}
	return nil
}

// start starts the service and waits until it answers.
func (b *bench) start(ctx context.Context) error {
	if _, err := b.engine.ContainerStart(ctx, store, client.ContainerStartOptions{}); err != nil {
		return err
	}
	address, err := b.address(ctx)
	if err != nil {
		return err
	}
	for range 500 {
		if _, err = ask(ctx, address); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// address is where the service answers.
func (b *bench) address(ctx context.Context) (string, error) {
	found, err := b.engine.ContainerInspect(ctx, store, client.ContainerInspectOptions{})
	if err != nil {
		return "", err
	}
	for _, n := range found.Container.NetworkSettings.Networks {
		if n.IPAddress.IsValid() {
			return "http://" + n.IPAddress.String() + ":8080/", nil
		}
	}
	return "", errors.New("the service has no address")
}

// password is the file of the repositories' password, ours and restic's.
func (b *bench) password() string { return filepath.Join(b.work, "password") }

// repository is the directory of a tool's.
func (b *bench) repository(of string) string { return filepath.Join(b.work, "repository-"+of) }

// command is a program that is run in the repository.
func (b *bench) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.root
	cmd.Env = append(rig.Environment(), "COMPOSE_MAGE_STATE="+filepath.Join(b.work, "state"), "MAGEFILE_HASHFAST=1",
		"MAGEFILE_CACHE="+filepath.Join(b.work, "cache"), "BACKUP_REPOSITORY="+b.repository("ours"),
		"BACKUP_PASSWORD_FILE="+b.password(), "RESTIC_CACHE_DIR="+filepath.Join(b.work, "restic-cache"))
	return cmd
}

// facts describes machine and versions.
func (b *bench) facts() string {
	compose, err := pinned.Version(context.Background(), "docker-compose")
	if err != nil {
		compose = "unknown"
	}
	return fmt.Sprintf("engine %s, docker compose %s, restic %s, %s, %d CPUs, load %s at the start; whole processes",
		b.engine.Info.ServerVersion, compose, b.restic.Version, runtime.Version(), runtime.NumCPU(), load())
}
