package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/25eloquence/compose-mage/internal/regular"
	"github.com/25eloquence/compose-mage/internal/state"
)

// memory is what the last build of an image left to know. It only saves work: without it, or with a wrong one, the
// builder finds the same image.
type memory struct {
	Builder  string `json:"builder,omitempty"`  // the ID of the builder that holds the results
	Inputs   string `json:"inputs,omitempty"`   // what was built from, as a stamp; "" where that is not known
	ID       string `json:"id,omitempty"`       // the image's ID as the builder says it
	EngineID string `json:"engineID,omitempty"` // and as the engine that loaded it says it
	Bases    string `json:"bases,omitempty"`    // what its base images were: recorder.bases
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

// loaded says whether the engine's image of that ID is the one that the last build gave it, whose cache is written too.
func (m memory) loaded(engineID string) bool {
	return engineID != "" && engineID == m.EngineID && m.ID != "" && m.Bases != "" && !m.Unexported
}

// keep writes the memory, unless it is there already: each write waits for the disk. It is worth no failure.
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

// stamp changes with anything that the target is built from, as far as it is on this machine; "" where that can't be told.
func (t Target) stamp(project string, env Environment, local map[string]*localContext) string {
	parts := map[string]any{
		"attributes": t.attributes(project, env), "inline": t.Inline, "policy": env.Policy, "contexts": t.Build.AdditionalContexts, "pull": env.PullPolicy,
	}
	if remote(t.Context) {
		return ""
	}
	for name, need := range t.Needs { // its contexts are among local
		parts["need:"+name] = need.stamp(project, env, nil)
		if parts["need:"+name] == "" {
			return ""
		}
	}
	for name, lc := range local {
		if lc.stamp == "" {
			return ""
		}
		parts["context:"+name] = lc.dir + lc.stamp
	}
	for _, path := range []string{t.Dockerfile, t.Dockerfile + ".dockerignore"} {
		text, err := regular.Read(path, mostDockerfile)
		if err == nil {
			parts[path] = string(text)
		}
	}
	data, err := json.Marshal(parts) // keys in order
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}
