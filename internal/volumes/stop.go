package volumes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/state"
)

// Stop is a container that is stopped for a while.
type Stop struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// stopped is the record of containers that a backup or a restore stops, written before it does.
type stopped struct {
	Containers []Stop `json:"containers"` // in the order in which they are stopped
	Lock       string `json:"lock"`       // held by the run as long as it lives
}

// dirOf is where the record of a project is.
func dirOf(project string) (string, error) {
	dir, err := state.ProjectDir(project)
	return filepath.Join(dir, "stopped"), err
}

func stoppedFile(dir string) string { return filepath.Join(dir, "stopped.json") }

func readStopped(dir string) (stopped, error) {
	var s stopped
	err := state.ReadJSON(stoppedFile(dir), &s)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	return s, err
}

// owned says whether the run that stopped the containers is still at work.
func (s stopped) owned() bool {
	release, err := state.TryLock(s.Lock)
	if release != nil {
		release()
	}
	return err == nil && release == nil
}

func (s stopped) names() string {
	var names []string
	for _, c := range s.Containers {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// StopAll stops containers of a project one after the other, each within its grace period, and gives the way to start
// them again, in the opposite order.
func StopAll(ctx context.Context, e *engine.Engine, project string, all []Stop) (start func() error, err error) {
	if len(all) == 0 {
		return func() error { return nil }, nil
	}
	dir, err := dirOf(project)
	if err != nil {
		return nil, fmt.Errorf("recording which containers are stopped: %w", err)
	}
	s := stopped{Containers: all, Lock: filepath.Join(dir, "lock")}
	if err := state.MakeDir(dir); err != nil {
		return nil, err
	}
	release, err := state.TryLock(s.Lock)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err == nil {
		err = state.Keep(stoppedFile(dir), text)
	}
	if err != nil {
		return nil, fmt.Errorf("recording which containers are stopped: %w", err)
	}
	start = func() error {
		if release != nil {
			defer release()
		}
		return s.start(context.WithoutCancel(ctx), e, dir)
	}
	for _, c := range all {
		if _, err := e.ContainerStop(ctx, c.ID, client.ContainerStopOptions{}); err != nil {
			return nil, errors.Join(fmt.Errorf("stopping %s: %w", c.Name, err), start())
		}
	}
	return start, nil
}

// start starts the containers in the opposite order, and forgets them. One that is gone is no error.
func (s stopped) start(ctx context.Context, e *engine.Engine, dir string) error {
	var all []error
	for _, c := range slices.Backward(s.Containers) {
		_, err := e.ContainerStart(ctx, c.ID, client.ContainerStartOptions{})
		if err != nil && !cerrdefs.IsNotFound(err) {
			all = append(all, fmt.Errorf("starting %s again: %w", c.Name, err))
		}
	}
	if len(all) > 0 {
		return errors.Join(all...)
	}
	if err := os.Remove(stoppedFile(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting which containers were stopped: %w", err)
	}
	return nil
}

// StartLeft starts what a backup or a restore of the project that was killed has left stopped, and says which.
func StartLeft(ctx context.Context, e *engine.Engine, project string) (names string, err error) {
	dir, err := dirOf(project)
	if err != nil {
		return "", err
	}
	s, err := readStopped(dir)
	if err != nil || len(s.Containers) == 0 || s.owned() {
		return "", err
	}
	return s.names(), s.start(ctx, e, dir)
}

// LeftStopped names the containers of the project that a run that was killed has left stopped; "" for none.
func LeftStopped(project string) string {
	dir, err := dirOf(project)
	if err != nil {
		return ""
	}
	s, err := readStopped(dir)
	if err != nil || len(s.Containers) == 0 || s.owned() {
		return ""
	}
	return s.names()
}
