package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

// rest waits for a quiet machine, where that is wanted.
func (b *bench) rest(ctx context.Context) {
	if b.config.rest {
		rig.Rest(ctx)
	}
}

// stood is what a backup prints of the time for which services stood still.
var stood = regexp.MustCompile(`stood still for ([0-9.]+)s`)

// ours makes a backup of the bench's project by our targets, and gives its seconds and for how many the service stood
// still.
func (b *bench) ours(ctx context.Context) (seconds, frozen float64, err error) {
	return b.backup(ctx, "COMPOSE_FILE="+b.work+"/p/compose.yaml")
}

func (b *bench) backup(ctx context.Context, env ...string) (seconds, frozen float64, err error) {
	cmd := b.command(ctx, b.tool[0], append(b.tool[1:], "backup")...)
	cmd.Env = append(append(cmd.Env, b.toolEnv...), env...)
	began := time.Now()
	out, err := rig.Output(cmd)
	seconds = time.Since(began).Seconds()
	if err != nil {
		return seconds, 0, err
	}
	found := stood.FindSubmatch(out)
	if found == nil {
		return seconds, 0, fmt.Errorf("a backup does not say for how long it froze: %s", out)
	}
	frozen, err = strconv.ParseFloat(string(found[1]), 64)
	return seconds, frozen, err
}

// theirs has restic save the volume's directory to the repository of that name, and gives its seconds.
func (b *bench) theirs(ctx context.Context, repository string) (float64, error) {
	return b.resticRun(ctx, repository, "backup", "--quiet", b.data)
}

func (b *bench) resticRun(ctx context.Context, repository string, args ...string) (float64, error) {
	cmd := b.command(ctx, b.restic.Path, args...)
	cmd.Env = append(cmd.Env, "RESTIC_REPOSITORY="+b.repository(repository), "RESTIC_PASSWORD_FILE="+b.password())
	began := time.Now()
	_, err := rig.Output(cmd)
	return time.Since(began).Seconds(), err
}

// emptyOurs takes our repository away, and all that we remember of it.
func (b *bench) emptyOurs() error {
	return errors.Join(os.RemoveAll(b.repository("ours")), os.RemoveAll(b.work+"/state"))
}

// tar stops the service, packs the volume and starts the service again. It gives its seconds, those for which the
// service did not answer, and how large the file is.
func (b *bench) tar(ctx context.Context) (seconds, out float64, size int64, err error) {
	path := b.work + "/data.tar.gz"
	defer os.Remove(path)
	began := time.Now()
	if _, err := b.engine.ContainerStop(ctx, store, client.ContainerStopOptions{}); err != nil {
		return 0, 0, 0, fmt.Errorf("stopping the service: %w", err)
	}
	_, err = rig.Output(b.command(ctx, "tar", "-C", b.data, "-czf", path, "."))
	seconds = time.Since(began).Seconds()
	err = errors.Join(err, b.start(ctx))
	out = time.Since(began).Seconds()
	if err != nil {
		return seconds, out, 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return seconds, out, 0, err
	}
	return seconds, out, info.Size(), nil
}
