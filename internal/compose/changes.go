package compose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Change is a key of a service that fitting changed, so that its container has another configuration than docker compose
// would give it.
type Change struct {
	Service string `json:"service"`
	Key     string `json:"key"`            // deploy.resources.limits.cpus
	From    string `json:"from,omitempty"` // "" where the files do not set it
	To      string `json:"to"`
}

// String reads "deploy.resources.limits.cpus 4 -> 2".
func (c Change) String() string {
	if c.From == "" {
		return c.Key + " " + c.To
	}
	return fmt.Sprintf("%s %s -> %s", c.Key, c.From, c.To)
}

// FittedSentence says in one sentence what fitting changed; "" where nothing.
func (s *Model) FittedSentence() string {
	var services []string
	for rest := s.Fitted; len(rest) > 0; {
		n := 0
		var keys []string
		for n < len(rest) && rest[n].Service == rest[0].Service {
			keys = append(keys, rest[n].String())
			n++
		}
		services = append(services, rest[0].Service+": fitted "+strings.Join(keys, ", "))
		rest = rest[n:]
	}
	if len(services) == 0 {
		return ""
	}
	return strings.Join(services, "; ") + "; docker compose's next up makes these containers anew"
}

// snapshots are the services as docker compose hashes them.
func snapshots(project *types.Project) map[string][]byte {
	out := map[string][]byte{}
	for name, s := range project.Services {
		out[name], _ = json.Marshal(s) // the library's own types; it hashes them in the same way
	}
	return out
}

// changes lists what is another value than before, by service and key.
func changes(before map[string][]byte, project *types.Project) []Change {
	var out []Change
	after := snapshots(project)
	for _, name := range project.ServiceNames() {
		if bytes.Equal(before[name], after[name]) {
			continue
		}
		was, is := leaves(before[name]), leaves(after[name])
		for _, key := range slices.Sorted(maps.Keys(is)) {
			if was[key] != is[key] {
				out = append(out, Change{Service: name, Key: key, From: was[key], To: is[key]})
			}
		}
	}
	return out
}

// leaves gives the scalars of a JSON object by their dotted path.
func leaves(text []byte) map[string]string {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var root any
	out := map[string]string{}
	if decoder.Decode(&root) == nil {
		addLeaves(out, "", root)
	}
	return out
}

func addLeaves(out map[string]string, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			addLeaves(out, strings.TrimPrefix(path+"."+key, "."), child)
		}
	case []any:
		for i, child := range v {
			addLeaves(out, fmt.Sprintf("%s[%d]", path, i), child)
		}
	case nil:
	default:
		out[path] = fmt.Sprint(v)
	}
}
