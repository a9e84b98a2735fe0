// Package restic owns the program restic: finding one that will do, running it on a repository without a secret in an
// argument, and what its answers and its failures mean. What is saved, and when, is its callers'.
package restic

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// Variable is the environment variable that names the program.
const Variable = "RESTIC"

// Program is a restic that will do.
type Program struct {
	Path    string
	Version string // 0.14.0
	minor   int
}

// oldest is the oldest minor version that is used: with it came repository version 2 and compression.
const oldest = 14

// Find gives the restic of RESTIC, else of the path. That there is none, or one that is too old, is an error of code
// Config that says how one is got.
func Find(ctx context.Context) (Program, error) {
	const next = "go tool mage setup -backup, or RESTIC=PATH with one of https://github.com/restic/restic/releases"
	name := os.Getenv(Variable)
	if name == "" {
		name = "restic"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return Program{}, fault.New(fault.Config, next, "backups need the program restic: %w", err)
	}
	said := &bounded.Tail{Bytes: bounded.MaxLine}
	command := exec.CommandContext(ctx, path, "version")
	command.Stdout, command.Stderr = said, said
	if err := command.Run(); err != nil {
		return Program{}, fault.New(fault.Config, next, "asking %q for its version: %w: %s", path, err,
			bounded.LastLine(said.String()))
	}
	p, ok := parseVersion(said.String())
	p.Path = path
	switch {
	case !ok:
		return p, fault.New(fault.Config, next, "%q is not restic: it says %q", path, bounded.LastLine(said.String()))
	case p.minor < oldest:
		return p, fault.New(fault.Config, next, "restic %s at %q is too old: 0.%d is the oldest that is used",
			p.Version, path, oldest)
	}
	return p, nil
}

// version is what restic version prints: restic 0.14.0 (v0.14.0-…) compiled with …
var version = regexp.MustCompile(`(?m)^restic ((\d+)\.(\d+)\.\d+\S*)`)

func parseVersion(text string) (Program, bool) {
	m := version.FindStringSubmatch(text)
	if m == nil {
		return Program{}, false
	}
	major, err := strconv.Atoi(m[2])
	if err != nil {
		return Program{}, false
	}
	minor, err := strconv.Atoi(m[3])
	if err != nil {
		return Program{}, false
	}
	if major > 0 {
		minor += 1000 * major
	}
	return Program{Version: m[1], minor: minor}, true
}

// Sparse says whether this restic makes files with holes again as such.
func (p Program) Sparse() bool { return p.minor >= 15 }

// IsLocal says whether a repository is a directory of this machine.
func IsLocal(repository string) bool {
	scheme, _, found := strings.Cut(repository, ":")
	return !found || scheme == "local" || !knownSchemes[scheme]
}

var knownSchemes = map[string]bool{
	"sftp": true, "rest": true, "s3": true, "b2": true, "azure": true, "gs": true, "swift": true, "rclone": true,
}

// carried are the beginnings of the variables by which restic's targets take their settings and credentials.
var carried = []string{"AWS_", "AZURE_", "B2_", "GOOGLE_", "OS_", "ST_", "RCLONE_", "RESTIC_REST_"}

// Environment gives, of a project's variables, those that restic's targets read, as NAME=value.
func Environment(variables map[string]string) []string {
	var out []string
	for name, value := range variables {
		if OfTarget(name) {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// OfTarget says whether restic's targets read the variable.
func OfTarget(name string) bool {
	return slices.ContainsFunc(carried, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// tagList has each tag as an option.
func tagList(tags []string) []string {
	var out []string
	for _, t := range tags {
		out = append(out, "--tag", t)
	}
	return out
}

// short is the beginning of a snapshot's ID, as restic prints it.
func short(id string) string { return fmt.Sprintf("%.8s", id) }
