package recreate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/25eloquence/compose-mage/internal/state"
)

// Record is what is known of one container from when it was made and started.
type Record struct {
	Service string `json:"service"`
	Keys    Keys   `json:"keys"` // the model that it was made from
	// Version is that of the keys: those of another one are not compared.
	Version int `json:"keys_version"`
	// Why is why it was made in the place of another; "" where it was not, or that was before anything was kept.
	Why string `json:"why,omitempty"`
	// Started is the start (the engine's State.StartedAt) that the rest is about: with every start the engine mounts
	// the files anew, and Compose copies the contents anew.
	Started  string            `json:"started"`
	Files    map[string]string `json:"files,omitempty"`    // FileID of what is mounted, by target
	Contents map[string]string `json:"contents,omitempty"` // Digest of what Compose copied into it, by target
}

// Records keeps a project's records in a directory, a file per container. It is safe to remove it at any time. The
// zero value keeps none.
type Records struct{ dir string }

// In gives the records of a project in dir, the state directory.
func In(dir, project string) Records {
	return Records{filepath.Join(dir, "projects", project, "models")}
}

const extension = ".json"

// keysVersion is raised where the same model has other keys than before.
const keysVersion = 3

// Of gives the container's record; false where there is none that can be read.
func (r Records) Of(id string) (Record, bool) {
	if r.dir == "" {
		return Record{}, false
	}
	var record Record
	if state.ReadJSON(filepath.Join(r.dir, id+extension), &record) != nil {
		return Record{}, false
	}
	return record, true
}

// Keep writes the container's record, readable by its user alone.
func (r Records) Keep(id string, record Record) error {
	if r.dir == "" {
		return nil
	}
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("keeping the model of %q: %w", record.Service, err)
	}
	return state.Keep(filepath.Join(r.dir, id+extension), data)
}

// Known gives the IDs of the containers with a record.
func (r Records) Known() (map[string]bool, error) {
	known := map[string]bool{}
	if r.dir == "" {
		return known, nil
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing the models of containers: %w", err)
	}
	for _, entry := range entries {
		if id, ok := strings.CutSuffix(entry.Name(), extension); ok {
			known[id] = true
		}
	}
	return known, nil
}

// Forget removes the container's record, if there is one.
func (r Records) Forget(id string) error {
	if err := os.Remove(filepath.Join(r.dir, id+extension)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the model of a container that is gone: %w", err)
	}
	return nil
}
