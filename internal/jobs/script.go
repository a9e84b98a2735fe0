package jobs

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/secret"
	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// Command is what a script runs, and where.
type Command struct {
	Dir         string            // the working directory, absolute
	Words       []string          // the program, absolute, and its arguments
	Environment map[string]string // all that it gets; neither cron nor systemd adds any but its own
}

// carried are variables that a run needs of the environment in which it was scheduled: how the engine, the builder
// and the registries are found, what docker compose reads, where Go and the state directory are, and the proxies.
var carried = []string{
	"HOME", "USER", "LOGNAME", "PATH", "LANG", "LC_ALL", "TZ", "TMPDIR",
	"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "ALL_PROXY", "all_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK", "CACHE_REGISTRY", "BASES_LOCK",
	"COMPOSE_MAGE_STATE", "COMPOSE_MAGE_LOCK_WAIT", "MAGEFILE_CACHE", "MAGEFILE_GOCMD",
	"GOBIN", "GOCACHE", "GOENV", "GOEXPERIMENT", "GOFLAGS", "GOINSECURE", "GOMODCACHE", "GONOPROXY", "GONOSUMDB",
	"GONOSUMCHECK", "GOPATH", "GOPRIVATE", "GOPROXY", "GOROOT", "GOSUMDB", "GOTMPDIR", "GOTOOLCHAIN", "GOVCS", "GOWORK",
}

// carriedFamilies are the beginnings of the names of others.
var carriedFamilies = []string{"DOCKER_", "COMPOSE_", "BUILDKIT_", "BUILDX_"}

// ownMarks are variables that one run of ours sets for another: they say nothing of the user's machine.
var ownMarks = []string{placeVariable, tryVariable, "COMPOSE_MAGE_SET", "COMPOSE_MAGE_RENEWED", "COMPOSE_MAGE_HELP"}

// Carry gives what a job needs of an environment, as os.Environ lists one; named are variables that the Compose
// files ask for beside.
func Carry(environ, named []string) map[string]string {
	out := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		family := slices.ContainsFunc(carriedFamilies, func(f string) bool { return strings.HasPrefix(name, f) })
		if (family || slices.Contains(carried, name) || slices.Contains(named, name)) && isName(name) &&
			!slices.Contains(ownMarks, name) {
			out[name] = value
		}
	}
	return out
}

// isName says whether a shell takes the name for one of a variable.
func isName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) && (name[0] < '0' || name[0] > '9')
}

// Script is the file that the machine runs: of any POSIX shell, with all that the job needs and nothing of the
// environment that cron or systemd happens to give.
func (p Place) Script(c Command) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("#!/bin/sh")
	line("# The %s in %s.", p.title(), printable.Line(p.Folder))
	line("# Made by: go tool mage schedule %s", p.Job.Name)
	line("# Removed by: go tool mage schedule -remove %s", p.Job.Name)
	for _, name := range slices.Sorted(maps.Keys(c.Environment)) {
		line("export %s=%s", name, quoted(c.Environment[name]))
	}
	line("export %s=%s", placeVariable, quoted(p.Dir))
	line("exec >%s 2>&1 </dev/null", quoted(p.outputFile()))
	line("cd %s || exit %d", quoted(c.Dir), fault.Config)
	words := make([]string, len(c.Words))
	for i, word := range c.Words {
		words[i] = quoted(word)
	}
	line("exec %s", strings.Join(words, " "))
	return b.String()
}

// quoted is text as one word of any POSIX shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// export is a line of a script that sets a variable.
var export = regexp.MustCompile(`^(export (\w+)=).`)

// shown is a line of a script for a person's eyes.
func shown(line string) string {
	if m := export.FindStringSubmatch(line); m != nil && secret.Named(m[2]) && !strings.HasSuffix(m[2], "_FILE") {
		return m[1] + "…"
	}
	return line
}
