package freezer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
)

// record is what is written down before a container is frozen.
type record struct {
	Container string    `json:"container"`
	Group     group     `json:"group"`
	Until     time.Time `json:"until"` // when the second process thaws it
	Boot      string    `json:"boot"`
	Owner     process   `json:"owner"`
	Thawer    process   `json:"thawer"`
}

// Inspector is what is asked of the engine about a container that is found frozen.
type Inspector interface {
	ContainerInspect(ctx context.Context, id string, o client.ContainerInspectOptions) (client.ContainerInspectResult,
		error)
}

// ThawLeft thaws what runs that were killed left frozen. What a living run holds, and what the engine itself has
// paused since, it leaves. An error is one of code Failed with the command that thaws.
func ThawLeft(ctx context.Context, e Inspector) error {
	dir, err := directory()
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return fmt.Errorf("looking for what was left frozen: %w", err)
	}
	var all []error
	for _, file := range files {
		all = append(all, thawRecorded(ctx, e, file))
	}
	return errors.Join(all...)
}

// thawRecorded thaws what the record names, unless it is none of ours, and removes the record.
func thawRecorded(ctx context.Context, e Inspector, file string) error {
	var r record
	err := state.ReadJSON(file, &r)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the run that wrote it, or its second process, was first
	}
	id := strings.TrimSuffix(filepath.Base(file), ".json")
	switch {
	case err != nil && containerID.MatchString(id):
		return setAside(file, id, err)
	case err != nil, r.Container == "", !strings.Contains(r.Group.Path, r.Container):
		return os.Remove(file) // not one of ours: they are named by their containers, and name them
	}
	if r.Boot == boot() {
		if r.Owner.alive() && time.Now().Before(r.Until) {
			return nil
		}
		r.Thawer.kill() // so that it does not thaw what somebody freezes after this
		if err := r.thaw(ctx, e); err != nil {
			_, word := r.Group.words()
			return fault.New(fault.Failed, "sudo sh -c "+fault.Quote("echo "+word+" >"+fault.Quote(r.Group.file())),
				"the container %.12s was left frozen by a run that was killed: %w", r.Container, err)
		}
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the record of a freeze: %w", err)
	}
	return nil
}

// containerID is the name of each record of ours.
var containerID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// setAside keeps a record that can't be read from ending every command, and says once that a container may be frozen
// still: the file is named by it.
func setAside(file, id string, why error) error {
	to, err := state.SetAside(file)
	if err != nil {
		return fault.New(fault.Config, "rm -r "+fault.Quote(file)+", then the same command again",
			"reading what was left frozen: %w", why)
	}
	return fault.New(fault.Config, "docker restart "+fault.Quote(id)+
		" where it does not answer; else the same command again",
		"reading what was left frozen: %w; it is now %q", why, to)
}

// thaw thaws the group if it is frozen and not by the engine's own pause. Where the engine does not answer it is
// thawed: better a pause that ends than a service that hangs.
func (r record) thaw(ctx context.Context, e Inspector) error {
	held, err := r.Group.held()
	if err != nil || !held {
		return err
	}
	found, err := e.ContainerInspect(ctx, r.Container, client.ContainerInspectOptions{})
	if err == nil && found.Container.State != nil && found.Container.State.Paused {
		return nil
	}
	return r.Group.thaw()
}
