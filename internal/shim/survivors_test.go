package shim

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// haunted is an engine that can't start a container, as what another one had started of it is in the way.
type haunted struct {
	client.APIClient
	id, project string
	answer      error
}

func (h haunted) ContainerStart(
	context.Context,
	string,
	client.ContainerStartOptions,
) (client.ContainerStartResult, error) {
	return client.ContainerStartResult{}, h.answer
}

func (h haunted) ContainerInspect(
	context.Context,
	string,
	client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	return client.ContainerInspectResult{Container: moby.InspectResponse{
		ID: h.id, Name: "/shop-db-1", State: &moby.State{},
		Config: &moby.Config{Labels: map[string]string{api.ProjectLabel: h.project}},
	}}, nil
}

// Where the processes are not to be seen from here the command that helps is printed: a container that is made anew
// beside a program that still runs would share its volumes.
func TestASurvivorElsewhereIsLeftToItsMachine(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	left := errors.New("task " + id + ": already exists")
	for name, c := range map[string]struct {
		api  haunted
		next string
	}{
		"elsewhere": {
			haunted{id: id, project: "shop", answer: left},
			"on the engine's machine: sudo pkill -KILL -f 'containerd-shi[m].* -id " + id +
				"', then go tool mage start",
		},
		"of another project": {haunted{id: id, project: "other", answer: left}, ""},
		"another failure":    {haunted{id: id, project: "shop", answer: errors.New("no such device")}, ""},
	} {
		remote := &engine.Engine{APIClient: c.api, Host: "ssh://ann@server"}
		_, err := EndingSurvivors(
			remote,
			"shop",
			ui.New(&strings.Builder{}),
		).ContainerStart(t.Context(), id, client.ContainerStartOptions{})
		var typed *fault.Error
		if errors.As(err, &typed) != (c.next != "") || typed != nil && typed.Next != c.next ||
			!errors.Is(err, c.api.answer) {
			t.Errorf("%s: %v", name, err)
		}
		var blocked *BlockedError
		if errors.As(err, &blocked) {
			t.Errorf("%s: the container would be made anew", name)
		}
	}
}
