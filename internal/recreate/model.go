// Package recreate owns why a container was made anew: the model that each container was made from, kept in the state
// directory, and which of its keys differ now. It decides nothing: a container is made anew all the same without a
// record, and only the names of the keys are lacking then.
package recreate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/secret"
)

// Keys is a service's model as a flat list: "deploy.resources.limits.memory" and its value. Only values that can't
// hold a secret are there as they are; the others are digests.
type Keys map[string]string

// KeysOf flattens the service as docker compose hashes it: what it leaves out of its hash makes no container anew.
// salt keeps two records from showing that they have the same secret; a container's ID will do.
func KeysOf(s types.ServiceConfig, salt string) (Keys, error) {
	s.Build, s.PullPolicy, s.Scale, s.DependsOn, s.Profiles = nil, "", nil, nil, nil
	if s.Deploy != nil {
		deploy := *s.Deploy
		deploy.Replicas = nil
		s.Deploy = &deploy
	}
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("writing down the model of %q: %w", s.Name, err)
	}
	var tree map[string]any
	if err := json.Unmarshal(data, &tree); err != nil {
		return nil, fmt.Errorf("writing down the model of %q: %w", s.Name, err)
	}
	keys := Keys{}
	keys.add("", tree, salt)
	return keys, nil
}

// add adds what is below key. The elements of a list that have a name (mounts, ports, secrets) are keys of their own;
// any other list is one value: which of its elements is which can't be told.
func (k Keys) add(key string, value any, salt string) {
	switch v := value.(type) {
	case map[string]any:
		for name, below := range v {
			k.add(strings.TrimPrefix(key+"."+name, "."), below, salt)
		}
		return
	case []any:
		if named := elements(v); len(named) > 0 {
			for name, below := range named {
				k.add(key+"["+name+"]", below, salt)
			}
			return
		}
	}
	data, err := json.Marshal(value)
	if err != nil || value == nil {
		data = nil // encoding/json gave the value, so it takes it; a key without a value has none to tell
	}
	if text, ok := value.(string); ok {
		data = []byte(text)
	}
	if secret.Told(key, string(data)) {
		k[key] = string(data)
		return
	}
	k[key] = Digest(salt, string(data))
}

// elements gives the elements of a list by what tells them apart: a mount's target, a port's number and where it is
// published; nil where one has no such name, or two have the same.
func elements(list []any) map[string]any {
	out := map[string]any{}
	for _, e := range list {
		entry, ok := e.(map[string]any)
		if !ok {
			return nil
		}
		name := ""
		switch target := entry["target"].(type) {
		case string:
			name = target
		case float64:
			name = fmt.Sprintf("%v/%v", target, cmp.Or(fmt.Sprint(entry["protocol"]), "tcp"))
		default:
			name, _ = entry["source"].(string)
		}
		if name == "" || out[name] != nil {
			return nil
		}
		out[name] = entry
	}
	return out
}

// Digest is what is kept of a value that may be a secret.
func Digest(salt, value string) string {
	sum := sha256.Sum256([]byte(salt + "\x00" + value))
	return digestPrefix + hex.EncodeToString(sum[:])
}

// keysSaid is how many keys are named at most, and valueWidth how long a value may be, in characters.
const (
	keysSaid   = 5
	valueWidth = 40
)

// Differences names the keys that differ, by name, with their values: "image a:1 -> a:2", "ports (new)", "init (gone)".
// Of values that may be secrets there are digests, of variables, or nothing.
func Differences(old, now Keys) []string {
	said := map[string]bool{}
	for key, value := range now {
		was, there := old[key]
		switch {
		case !there:
			said[highest(key, old)+" (new)"] = true
		case was != value && secret.Shown(key):
			said[fmt.Sprintf("%s %s -> %s", key, readable(key, was), readable(key, value))] = true
		case was != value:
			said[key] = true
		}
	}
	for key := range old {
		if _, there := now[key]; !there {
			said[highest(key, now)+" (gone)"] = true
		}
	}
	all := slices.Sorted(maps.Keys(said))
	if len(all) > keysSaid {
		rest := len(all) - keysSaid + 1
		all = append(all[:keysSaid-1:keysSaid-1], fmt.Sprintf("%d more keys", rest))
	}
	return all
}

// highest is the shortest beginning of the key that the other model has nothing of: "healthcheck" where it has no
// health check at all, "volumes[/data]" where it has others. A name that somebody chose, such as a label's, is not cut.
func highest(key string, other Keys) string {
	inside := false
	for i, c := range key {
		switch {
		case c == '[' || c == ']':
			inside = c == '['
			if inside && !hasBelow(other, key[:i]) {
				return key[:i]
			}
		case c == '.' && !inside && !hasBelow(other, key[:i]):
			return key[:i]
		}
		if c == '.' && chosen[key[:i]] {
			return key
		}
	}
	return key
}

// chosen are the keys below which people choose the names.
var chosen = map[string]bool{
	"annotations": true, "environment": true, "labels": true, "logging.options": true, "sysctls": true,
	"storage_opt": true, "deploy.labels": true,
}

func hasBelow(k Keys, key string) bool {
	for other := range k {
		if other == key || strings.HasPrefix(other, key+".") || strings.HasPrefix(other, key+"[") {
			return true
		}
	}
	return false
}
