package recreate

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// shown says whether a key's value may be told and kept, where it does not look like a secret: never that of what is
// often put together from secrets (commands, health checks, labels, options of drivers).
func shown(key string) bool {
	for _, prefix := range []string{
		"deploy.resources.", "deploy.restart_policy.", "ulimits.", variables, "volumes[", "ports[",
		"secrets[", "configs[",
	} {
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

const (
	variables    = "environment."
	digestPrefix = "sha256:"
	// digestShown is how much of a digest is printed, with its prefix: enough to tell two apart.
	digestShown = len(digestPrefix) + 8
	// longestPlain is how long a word with letters and digits may be that still counts as no secret.
	longestPlain = 15
)

// secretName are names of variables that hold secrets.
var secretName = regexp.MustCompile(
	`(?i)token|secret|pass|pwd|key|credential|auth|private|salt|dsn|cookie|session|signature|cert|pin$`)

// secret says whether the value of a variable looks like a secret: by the variable's name, by a user in a URL, or since
// it holds a long word of letters and digits, as generated passwords do.
func secret(key, value string) bool {
	name, ok := strings.CutPrefix(key, variables)
	if !ok {
		return fault.Redact(value) != value
	}
	if secretName.MatchString(name) || fault.Redact(value) != value {
		return true
	}
	return slices.ContainsFunc(strings.FieldsFunc(value, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("+=_-", r)
	}), func(word string) bool {
		return len(word) > longestPlain && strings.ContainsFunc(word, unicode.IsLetter) &&
			strings.ContainsFunc(word, unicode.IsDigit)
	})
}

// readable cuts a value to a width that fits a line, and gives sizes in units.
func readable(key, value string) string {
	switch key[strings.LastIndex(key, ".")+1:] {
	case "memory", "mem_limit", "mem_reservation", "memswap_limit", "shm_size":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 {
			return ui.Bytes(n)
		}
	}
	if strings.HasPrefix(value, digestPrefix) && len(value) == len(digestPrefix)+64 {
		return value[:digestShown]
	}
	if value == "" {
		return `""`
	}
	if runes := []rune(value); len(runes) > valueWidth {
		return string(runes[:valueWidth-1]) + "…"
	}
	return value
}
