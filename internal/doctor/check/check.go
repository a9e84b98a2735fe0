// Package check owns what a check of doctor is, and the shape of what it finds: a fact with how bad it is, whom it
// concerns, where it is seen, why it is so, and what to do about it.
package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// Where is what a check looks at.
type Where string

// The places that checks look at.
const (
	Model      Where = "model"      // the Compose files
	Dockerfile Where = "dockerfile" // the Dockerfiles and build contexts of the model
	Record     Where = "record"     // what builds, backups and watchers have kept
	Engine     Where = "engine"     // the engine, its containers and images
	Kernel     Where = "kernel"     // this machine's kernel, where the engine runs on it
	Logs       Where = "logs"       // what containers have logged
)

// Rule is one kind of finding.
type Rule struct {
	ID    string // dotted and stable: health.missing
	Title string // what is wrong, in a few words
	Where Where
	Worst finding.Severity // that a finding of the rule has
	Basis string           // who says that this is wrong: a page of documentation, or the engine itself
	Fix   Fix
}

// Fix is whether what makes a finding go may be done without asking: the edits of its files, or its action.
type Fix string

// The classes of fixes.
const (
	NoFix Fix = ""
	Safe  Fix = "safe" // it can't break a service
	Asked Fix = "ask"  // a person has to agree
)

// Check is a look for findings of some rules. Look gives what it found, and an error where it could not look, or not
// everywhere.
type Check[On any] struct {
	Rules []Rule
	Look  func(context.Context, On) ([]Finding, error)
}

// Place is a line of a file.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"` // from 1; 0 where the whole file is meant
}

// String gives it as compilers do.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Finding is a fact that a check found. Remedy is a command, or a change of a file in words.
type Finding struct {
	finding.Finding
	Cause      string   `json:"cause,omitempty"`      // why it is so, or what follows of it
	Places     []Place  `json:"places,omitempty"`     // the lines of files that it is about
	Containers []string `json:"containers,omitempty"` // their names
	Lines      []string `json:"lines,omitempty"`      // of a log, as they were written
	Fix        Fix      `json:"-"`
	Edits      []Edit   `json:"-"` // that make it go, in Compose files and ignore files
}

// Edit is one change of a Compose file, named by the path of keys in it, or of an ignore file, which gets Lines.
type Edit struct {
	// File is "" for the project's file that has most of the path; where that is no more than a service, the one that
	// says what its image is.
	File  string
	Path  []string // services, web, restart
	Value string   // as YAML in one line: unless-stopped, {driver: local}; of a deletion ""
	// Old is what the value has to be now, as YAML spells it; "" where the key must not be there yet.
	Old    string
	Delete bool
	Lines  []string // of a .dockerignore that is File, which need not be there: they are added to it
}

// Anything as an edit's Old is any value.
const Anything = "*"

// At adds the places that are known, each once.
func (f Finding) At(places ...Place) Finding {
	for _, p := range places {
		if p.File != "" && !slices.Contains(f.Places, p) {
			f.Places = append(f.Places, p)
		}
	}
	return f
}

// Because gives the cause.
func (f Finding) Because(format string, args ...any) Finding {
	f.Cause = fault.Redact(fmt.Sprintf(format, args...))
	return f
}

// Of gives the finding services.
func (f Finding) Of(services ...string) Finding {
	f.Finding = f.Finding.Of(services...)
	return f
}

// In names the containers that the finding is about.
func (f Finding) In(containers ...string) Finding {
	f.Containers = containers
	return f
}

// Edited gives the edits that make the finding go, of a class.
func (f Finding) Edited(class Fix, edits ...Edit) Finding {
	f.Fix, f.Edits = class, edits
	return f
}

// Warn is a finding that works, but not well, or not for long.
func Warn(id, remedy, format string, args ...any) Finding {
	return Finding{Finding: finding.Warn(id, remedy, format, args...)}
}

// Tell is a finding that is worth knowing.
func Tell(id, remedy, format string, args ...any) Finding {
	return Finding{Finding: finding.Tell(id, remedy, format, args...)}
}

// Fail is a finding of something that does not work.
func Fail(code fault.Code, id, remedy, format string, args ...any) Finding {
	return Finding{Finding: finding.Fail(code, id, remedy, format, args...)}
}

// FirstLine is what an error says in its first line.
func FirstLine(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}
