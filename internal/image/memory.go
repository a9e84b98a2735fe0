package image

import (
	"bytes"
	"encoding/json"
	"path/filepath"

	"github.com/25eloquence/compose-mage/internal/state"
)

// memory is what the last build of an image writes down for the next. A memory only saves work: without one, or with a
// wrong one, the builder finds the same image.
type memory struct {
	Builder  string `json:"builder,omitempty"`  // the ID of the builder that holds the results
	Inputs   string `json:"inputs,omitempty"`   // what was built from, as a stamp; "" where that is not known
	ID       string `json:"id,omitempty"`       // the image's ID as the builder says it
	EngineID string `json:"engineID,omitempty"` // and as the engine that loaded it says it
	Bases    string `json:"bases,omitempty"`    // what its base images were, as solve.Recorder.Bases says it
	// Unexported means that the registry cache does not have the results: the export failed, or was killed.
	Unexported bool `json:"unexported,omitempty"`

	path string
}

// recall reads the memory of one image; an unreadable one is none.
func recall(dir, project, service string) memory {
	m := memory{}
	if dir == "" {
		return m
	}
	path := filepath.Join(dir, project, service+".json")
	if state.ReadJSON(path, &m) != nil {
		m = memory{}
	}
	m.path = path
	return m
}

// keep writes the memory, unless the file says the same already: each write waits for the disk. A memory that can't be
// written is no failure.
func (m memory) keep() {
	if m.path == "" {
		return
	}
	data, err := json.Marshal(m)
	if old, none := state.ReadFile(m.path); none == nil && bytes.Equal(old, data) {
		return
	}
	if err == nil {
		_ = state.Keep(m.path, data)
	}
}
