package container

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/state"
)

// stops are the containers that a stop of ours ended with exit code 0, by ID, with the time of that end as the engine
// writes it. The engine keeps no trace of who ended a container: without this one, a server that exits with 0 when it
// is asked to would look like a job that is done. Of a stop by others nobody knows; a container that ends again has
// another time.
type stops map[string]string

func stopsFile(project string) (string, error) {
	dir, err := state.Dir()
	return filepath.Join(dir, "stops", project+".json"), err
}

// readStops gives the record of earlier stops of the project; an empty one where there is none or it can't be read.
func readStops(project string) stops {
	out := stops{}
	if file, err := stopsFile(project); err == nil {
		if state.ReadJSON(file, &out) != nil {
			return stops{} // a record that can't be read is none
		}
	}
	return out
}

// EndedByStop gives a function that says whether a container of the project ended because a stop of ours asked the
// container to.
func EndedByStop(project string) func(moby.InspectResponse) bool {
	known := readStops(project)
	return func(c moby.InspectResponse) bool {
		return c.State != nil && known[c.ID] == c.State.FinishedAt && c.State.FinishedAt != ""
	}
}

// RecordStops runs stop, and records which of the project's containers the stop has ended.
func RecordStops(ctx context.Context, e Inspector, project string, stop func() error) error {
	before, err := List(ctx, e, project)
	if err != nil {
		return err
	}
	stopErr := stop()
	after, err := Inspect(context.WithoutCancel(ctx), e, project)
	if err != nil {
		return cmp.Or(stopErr, err)
	}
	return cmp.Or(stopErr, stopsBetween(before, after, readStops(project)).write(project))
}

// stopsBetween are the containers that ran before a stop and have ended with exit code 0 after it, and those among
// the known ones that have not run since.
func stopsBetween(before map[string][]moby.Summary, after map[string][]Replica, known stops) stops {
	ran := map[string]bool{}
	for _, group := range before {
		for _, c := range group {
			ran[c.ID] = c.State == moby.StateRunning || c.State == moby.StatePaused
		}
	}
	kept := stops{}
	for _, group := range after {
		for _, c := range group {
			switch s := c.State; {
			case s.Status != moby.StateExited || s.ExitCode != 0:
			case ran[c.ID], known[c.ID] == s.FinishedAt:
				kept[c.ID] = s.FinishedAt
			}
		}
	}
	return kept
}

func (s stops) write(project string) error {
	file, err := stopsFile(project)
	if err != nil {
		return err
	}
	if _, err := os.Stat(file); os.IsNotExist(err) && len(s) == 0 {
		return nil
	}
	text, err := json.Marshal(s)
	if err == nil {
		err = state.Keep(file, text)
	}
	if err != nil {
		return fmt.Errorf("taking down what was stopped: %w", err)
	}
	return nil
}
