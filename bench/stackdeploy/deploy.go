//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	mobyswarm "github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest/swarm"
)

// composeFile is one that both tools take. The check runs every second, so a version that is never healthy is known as
// such after 3 s.
const composeFile = `services:
  web:
    image: %[1]s
    command: [serve, "8080", "200", "0"]
    environment: {VERSION: "%[2]s"}
    healthcheck: {test: [CMD, /probe, health, "0", "%[3]d"], interval: 1s, timeout: 2s, retries: 3}
    deploy: {replicas: 2, endpoint_mode: dnsrr}
    networks: [shared]
networks:
  shared: {driver: overlay, attachable: true}
`

// bench is one round of one tool, with a stack of its own.
type bench struct {
	*swarm.Swarm
	*tool
	dir, stack, image string
}

// badVersion is what became of a deploy of a version that is never healthy.
type badVersion struct {
	code             int     // the command's
	seconds          float64 // until it ended
	back             float64 // until all tasks were of the version before, by the tool or the Swarm; 0 for never
	named            bool    // what it printed names the health check
	requests, failed int
	left             string // what the service was at the end
}

// backWithin is how long the version before is waited for.
const backWithin = time.Minute

// all deploys: anew, nothing, and the bad version.
func (b *bench) all(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, b.remove(context.WithoutCancel(ctx))) }()
	began := time.Now()
	code, out, err := b.deploy("good", 0)
	if err != nil || code != 0 {
		return errors.Join(err, fmt.Errorf("the first deploy: exit %d: %s", code, out))
	}
	b.first = append(b.first, time.Since(began).Seconds())
	if err := b.Until(ctx, "both tasks run", b.runs("good")); err != nil {
		return err
	}
	b.ready = append(b.ready, time.Since(began).Seconds())
	before, err := b.service(ctx)
	if err != nil {
		return err
	}
	began = time.Now()
	code, out, err = b.deploy("good", 0)
	if err != nil || code != 0 {
		return errors.Join(err, fmt.Errorf("the second deploy: exit %d: %s", code, out))
	}
	b.again = append(b.again, time.Since(began).Seconds())
	after, err := b.service(ctx)
	if err != nil {
		return err
	}
	if after.Version.Index != before.Version.Index {
		b.updates++
	}
	return b.deployBad(ctx)
}

// deploy writes the version's Compose file, whose health check has this exit code, and deploys it.
func (b *bench) deploy(version string, check int) (code int, out string, err error) {
	text := fmt.Sprintf(composeFile, b.image, version, check)
	if err := os.WriteFile(filepath.Join(b.dir, "compose.yaml"), []byte(text), 0o600); err != nil {
		return 0, "", err
	}
	var printed bytes.Buffer
	cmd := b.command(b.dir, b.stack)
	cmd.Stdout, cmd.Stderr = &printed, &printed
	cmd.WaitDelay = time.Second
	limit := time.AfterFunc(3*time.Minute, func() { _ = cmd.Process.Kill() }) // docker's may wait for ever
	defer limit.Stop()
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), printed.String(), nil
	}
	return 0, printed.String(), err
}

// deployBad deploys the bad version under load.
func (b *bench) deployBad(ctx context.Context) error {
	load, err := b.startLoad(ctx)
	if err != nil {
		return err
	}
	var bad badVersion
	began := time.Now()
	type ended struct {
		code int
		out  string
		err  error
	}
	end := make(chan ended, 1)
	go func() {
		code, out, err := b.deploy("bad", 1)
		bad.seconds = time.Since(began).Seconds()
		end <- ended{code, out, err}
	}()
	if err := b.Until(ctx, "the bad version is there", func() (bool, error) {
		s, err := b.service(ctx)
		return err == nil && (versionOf(s.Spec.TaskTemplate) == "bad" || s.UpdateStatus != nil), err
	}); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, backWithin)
	if b.Until(within, "both tasks are of the version before", b.backAgain("good")) == nil {
		bad.back = time.Since(began).Seconds()
	}
	cancel()
	told := <-end
	if told.err != nil {
		return told.err
	}
	bad.code, bad.named = told.code, strings.Contains(told.out, "health")
	if bad.requests, bad.failed, err = b.stopLoad(ctx, load); err != nil {
		return err
	}
	if bad.left, err = b.describe(ctx); err != nil {
		return err
	}
	b.bad = append(b.bad, bad)
	return nil
}

func (b *bench) service(ctx context.Context) (mobyswarm.Service, error) {
	got, err := b.Nodes[0].Client.ServiceInspect(ctx, b.stack+"_web", client.ServiceInspectOptions{})
	return got.Service, err
}

func (b *bench) tasks(ctx context.Context) ([]mobyswarm.Task, error) {
	got, err := b.Nodes[0].Client.TaskList(ctx, client.TaskListOptions{
		Filters: make(client.Filters).Add("service", b.stack+"_web").Add("desired-state", "running"),
	})
	return got.Items, err
}

// runs says whether both tasks run, healthy, and are of that version.
func (b *bench) runs(version string) func() (bool, error) {
	return func() (bool, error) {
		tasks, err := b.tasks(context.Background())
		running := 0
		for _, t := range tasks {
			if t.Status.State == mobyswarm.TaskStateRunning && versionOf(t.Spec) == version {
				running++
			}
		}
		return running == 2 && len(tasks) == 2, err
	}
}

// backAgain says whether all is of that version, and the Swarm does nothing about it any more.
func (b *bench) backAgain(version string) func() (bool, error) {
	runs := b.runs(version)
	return func() (bool, error) {
		s, err := b.service(context.Background())
		if err != nil || versionOf(s.Spec.TaskTemplate) != version {
			return false, err
		}
		return runs()
	}
}

// describe says in words how the service is.
func (b *bench) describe(ctx context.Context) (string, error) {
	s, err := b.service(ctx)
	if err != nil {
		return "", err
	}
	tasks, err := b.tasks(ctx)
	if err != nil {
		return "", err
	}
	running := 0
	for _, t := range tasks {
		if t.Status.State == mobyswarm.TaskStateRunning {
			running++
		}
	}
	state := "not updated"
	if s.UpdateStatus != nil {
		state = string(s.UpdateStatus.State)
	}
	return fmt.Sprintf("%s, %d of 2 copies run, specification is the %s one", state, running,
		versionOf(s.Spec.TaskTemplate)), nil
}

func versionOf(t mobyswarm.TaskSpec) string {
	if t.ContainerSpec != nil {
		for _, v := range t.ContainerSpec.Env {
			if version, is := strings.CutPrefix(v, "VERSION="); is {
				return version
			}
		}
	}
	return ""
}
