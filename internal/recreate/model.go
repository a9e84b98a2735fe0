// Package recreate owns why a container was made anew: the model that each container was made from, kept in the state
// directory, and which of its keys differ now. It decides nothing: a container is made anew all the same without a
// record, and only the names of the keys are lacking then.
package recreate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/ui"
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

// add adds what is below key. A list is one value: which of its elements is which can't be told.
func (k Keys) add(key string, value any, salt string) {
	if tree, ok := value.(map[string]any); ok {
		for name, below := range tree {
			k.add(strings.TrimPrefix(key+"."+name, "."), below, salt)
		}
		return
	}
	data, err := json.Marshal(value)
	if err != nil || value == nil {
		data = nil // encoding/json gave the value, so it takes it; a key without a value has none to tell
	}
	if text, ok := value.(string); ok {
		data = []byte(text)
	}
	if shown(key) {
		k[key] = string(data)
		return
	}
	k[key] = Digest(salt, string(data))
}

// Digest is what is kept of a value that may be a secret.
func Digest(salt, value string) string {
	sum := sha256.Sum256([]byte(salt + "\x00" + value))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// shown says whether a key's value may be told and kept: never that of an environment variable, nor of what is often
// put together from them (commands, health checks, labels, options of drivers).
func shown(key string) bool {
	for _, prefix := range []string{"deploy.resources.", "deploy.restart_policy.", "ulimits."} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return slices.Contains([]string{
		"cgroup", "container_name", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota", "cpu_shares", "cpus",
		"cpuset",
		"healthcheck.disable", "healthcheck.interval", "healthcheck.retries", "healthcheck.start_interval",
		"healthcheck.start_period", "healthcheck.timeout", "hostname", "image", "init", "ipc", "isolation",
		"logging.driver", "mem_limit", "mem_reservation",
		"mem_swappiness", "memswap_limit", "network_mode", "oom_kill_disable", "oom_score_adj", "pid",
		"pids_limit", "platform",
		"privileged", "read_only", "restart", "runtime", "shm_size", "stdin_open", "stop_grace_period",
		"stop_signal", "tty", "user",
		"userns_mode", "uts", "working_dir",
	}, key)
}

// keysSaid is how many keys are named at most, and valueWidth how long a value may be, in characters.
const (
	keysSaid   = 5
	valueWidth = 40
)

// Differences names the keys that differ, by name: "environment.V", "image a:1 -> a:2", "ports (new)", "init (gone)".
func Differences(old, now Keys) []string {
	said := map[string]bool{}
	for key, value := range now {
		was, there := old[key]
		switch {
		case !there:
			said[highest(key, old)+" (new)"] = true
		case was != value && shown(key):
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
// health check at all.
func highest(key string, other Keys) string {
	for i, c := range key {
		if c == '.' && !hasBelow(other, key[:i]) {
			return key[:i]
		}
	}
	return key
}

func hasBelow(k Keys, key string) bool {
	for other := range k {
		if other == key || strings.HasPrefix(other, key+".") {
			return true
		}
	}
	return false
}

// readable cuts a value to a width that fits a line, and gives sizes in units.
func readable(key, value string) string {
	switch key[strings.LastIndex(key, ".")+1:] {
	case "memory", "mem_limit", "mem_reservation", "memswap_limit", "shm_size":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 {
			return ui.Bytes(n)
		}
	}
	if runes := []rune(value); len(runes) > valueWidth {
		return string(runes[:valueWidth-1]) + "…"
	}
	return value
}
