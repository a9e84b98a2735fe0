//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// perSecond is how many requests are made.
const perSecond = "50"

// startLoad runs a container on the stack's network, on the first node, that asks the service by its name; each request
// resolves that anew. It returns when some requests were answered.
func (b *bench) startLoad(ctx context.Context) (id string, err error) {
	api := b.Nodes[0].Client
	made, err := api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name:       b.stack + "-load",
		Config:     &container.Config{Image: b.image, Cmd: []string{"load", "web:8080", perSecond}},
		HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(b.stack + "_shared")},
	})
	if err != nil {
		return "", fmt.Errorf("making the load: %w", err)
	}
	if _, err := api.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		return "", fmt.Errorf("starting the load: %w", err)
	}
	select {
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
	}
	return made.ID, ctx.Err()
}

// stopLoad ends the load and gives what it counted.
func (b *bench) stopLoad(ctx context.Context, id string) (requests, failed int, err error) {
	api := b.Nodes[0].Client
	if _, err := api.ContainerStop(ctx, id, client.ContainerStopOptions{}); err != nil {
		return 0, 0, fmt.Errorf("ending the load: %w", err)
	}
	logs, err := api.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		return 0, 0, fmt.Errorf("reading what the load counted: %w", err)
	}
	defer logs.Close()
	var out, failures bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &failures, logs); err != nil {
		return 0, 0, fmt.Errorf("reading what the load counted: %w", err)
	}
	var counted struct{ Requests, Failed int }
	if err := json.Unmarshal(out.Bytes(), &counted); err != nil || counted.Requests == 0 {
		return 0, 0, errors.Join(fmt.Errorf("the load counted nothing: %s%s", out.Bytes(), failures.Bytes()), err)
	}
	_, err = api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true})
	return counted.Requests, counted.Failed, err
}

// remove removes the stack and waits until its tasks are gone, for the next one's sake.
func (b *bench) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	api := b.Nodes[0].Client
	// gone after a good end
	_, _ = api.ContainerRemove(ctx, b.stack+"-load", client.ContainerRemoveOptions{Force: true})
	_, err := api.ServiceRemove(ctx, b.stack+"_web", client.ServiceRemoveOptions{})
	if err != nil {
		return fmt.Errorf("removing the stack: %w", err)
	}
	return b.Until(ctx, "the stack's network is gone", func() (bool, error) {
		_, err := api.NetworkRemove(ctx, b.stack+"_shared", client.NetworkRemoveOptions{})
		return err == nil, err
	})
}
