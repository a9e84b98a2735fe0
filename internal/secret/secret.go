// Package secret owns which names are of secrets, which values look like one, and which keys of a Compose file may be
// told and kept with their values. What is no secret for certain counts as one.
package secret

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// names are parts of the names of variables and arguments that hold secrets.
var names = regexp.MustCompile(
	`(?i)token|secret|pass|pwd|key|credential|auth|private|salt|dsn|cookie|session|signature|cert|pin$`)

// Named says whether the name of a variable or an argument is one whose value may be secret.
func Named(name string) bool { return names.MatchString(name) }

// longestPlain is how long a word with letters and digits may be that still counts as no secret.
const longestPlain = 15

// Held says whether the value of a variable may be a secret: by the variable's name, by a user in a URL, or since the
// value holds a long word of letters and digits, as generated passwords do.
func Held(name, value string) bool {
	if Named(name) || fault.Redact(value) != value {
		return true
	}
	return slices.ContainsFunc(strings.FieldsFunc(value, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("+=_-", r)
	}), func(word string) bool {
		return len(word) > longestPlain && strings.ContainsFunc(word, unicode.IsLetter) &&
			strings.ContainsFunc(word, unicode.IsDigit)
	})
}

// Variables is before the name of a variable in the key of a service: environment.LEVEL.
const Variables = "environment."

// Told says whether the value of a service's key may be told and kept as it is: the key is one whose values may, and
// this one does not look like a secret.
func Told(key, value string) bool {
	if !Shown(key) {
		return false
	}
	if name, is := strings.CutPrefix(key, Variables); is {
		return !Held(name, value)
	}
	return fault.Redact(value) == value
}

// Shown says whether values of a service's key may be told, where they do not look like a secret: never those of what
// is often put together from secrets (commands, health checks, labels, options of drivers).
func Shown(key string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) }) ||
		slices.Contains(keys, key)
}

// prefixes are the beginnings of keys with values that may be told. Of those in lists one spelling names the element
// in brackets, and one after a dot.
var prefixes = []string{
	"deploy.endpoint_mode", "deploy.mode.", "deploy.placement.", "deploy.replicas", "deploy.resources.",
	"deploy.restart_policy.", "deploy.rollback_config.", "deploy.update_config.", "sysctls.", "ulimits.", Variables,
	"volumes[", "ports[", "secrets[", "configs[", "secrets.", "configs.",
}

// keys are other keys with values that may be told.
var keys = []string{
	"cap_add", "cap_drop", "cgroup", "container_name", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota",
	"cpu_shares", "cpus", "cpuset", "dns", "dns_opt", "dns_search", "extra_hosts", "group_add", "healthcheck.disable",
	"healthcheck.interval", "healthcheck.retries", "healthcheck.start_interval", "healthcheck.start_period",
	"healthcheck.timeout", "hostname", "image", "init", "ipc", "isolation", "logging.driver", "mem_limit",
	"mem_reservation", "mem_swappiness", "memswap_limit", "network_mode", "oom_kill_disable", "oom_score_adj", "pid",
	"pids_limit", "platform", "privileged", "read_only", "restart", "runtime", "security_opt", "shm_size",
	"stdin_open", "stop_grace_period", "stop_signal", "tty", "user", "userns_mode", "uts", "working_dir",
}

var (
	// assignment is NAME=value in a line, or NAME value after ENV.
	assignment = regexp.MustCompile(`([A-Za-z0-9_-]+)=("[^"]*"|'[^']*'|[^\s'"]+)`)
	oldEnv     = regexp.MustCompile(`(?i)^\s*ENV\s+([A-Za-z0-9_]+)\s+.*`)
)

// Masked hides what a line of a Dockerfile or a script assigns to names of secrets, and the user info of its URLs.
func Masked(line string) string {
	line = assignment.ReplaceAllStringFunc(fault.Redact(line), func(text string) string {
		if name, _, _ := strings.Cut(text, "="); Named(name) {
			return name + "=…"
		}
		return text
	})
	if m := oldEnv.FindStringSubmatchIndex(line); m != nil && Named(line[m[2]:m[3]]) {
		return line[:m[3]] + " …"
	}
	return line
}
