package solve

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// Stamp changes with anything that the target is built from, as far as it is on this machine; "" where that can't be
// told.
func Stamp(t buildplan.Target, project string, env Environment, local map[string]*LocalContext) string {
	parts := map[string]any{
		"attributes": attributes(t, project, env), "inline": t.Inline, "policy": env.Policy,
		"contexts": t.Build.AdditionalContexts, "pull": env.PullPolicy,
	}
	if dockerfile.Remote(t.Context) {
		return ""
	}
	for name, need := range t.Needs { // its contexts are among local
		parts["need:"+name] = Stamp(need, project, env, nil)
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
		text, err := regular.Read(path, dockerfile.MaxBytes)
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
