// Package buildinputs owns what the build of an image read (the Dockerfile, the files that its steps copy, arguments,
// bases) and which of its steps ran, kept from one build to the next, and whether an image would be built from just
// the same again. It knows nothing of what the builder holds.
package buildinputs

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/buildcontext"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// Inputs is what the caller knows of an image that is built, or would be.
type Inputs struct {
	Project, Service string
	Dockerfile       string // its name, for people
	Text             string // what is in it
	Context          Tree
	Contexts         map[string]Tree // the additional ones, by name
	Args             map[string]string
	Options          map[string]string // what else changes the result of RUN steps: network, extra hosts
	Target           string            // the stage; "" for the last
	Platform         string            // "" for the builder's
	// digests by reference, as far as known; those in the names of FROM steps are added
	Bases   map[string]string
	Secrets []string // IDs; their values change no step and are not kept
	NoCache bool
	// Stamp changes with anything that the image is built from; "" where the caller has none. With a stamp, the files
	// of a build that found nothing to do are not looked at.
	Stamp string
}

// Tree is a build context: a directory, or the address of something else.
type Tree struct {
	Dir string // "" for what is not on this machine
	// Files gives the files of the context that the patterns leave in, where the caller has walked the context anyway;
	// nil where not.
	Files      func() ([]buildcontext.File, error)
	Patterns   []string
	IgnoreFile string
	Address    string // of a remote context or an image
}

// Of reads what an image of a project would be built from now, but for the files of its contexts. The Dockerfile of a
// remote context is not known here, and with it nothing that could be explained: Text is then empty.
func Of(project string, t buildplan.Target) (Inputs, error) {
	in := Inputs{
		Project: project, Service: t.Key, Dockerfile: filepath.Base(t.Dockerfile), Text: t.Inline,
		Target:   t.Build.Target,
		Platform: t.Platform, NoCache: t.Build.NoCache, Args: map[string]string{}, Options: map[string]string{},
		Contexts: map[string]Tree{},
	}
	if t.Inline == "" && t.Dockerfile != "" {
		text, err := regular.Read(t.Dockerfile, dockerfile.MaxBytes)
		if err != nil {
			return in, fmt.Errorf("reading the Dockerfile: %w", err)
		}
		in.Text = string(text)
	}
	for name, value := range t.Build.Args {
		if value != nil {
			in.Args[name] = *value
		}
	}
	for _, s := range t.Build.Secrets {
		in.Secrets = append(in.Secrets, s.Source)
	}
	if t.Build.Network != "" {
		in.Options["network"] = t.Build.Network
	}
	if hosts := t.Build.ExtraHosts.AsList("="); len(hosts) > 0 {
		slices.Sort(hosts)
		in.Options["extra_hosts"] = strings.Join(hosts, ",")
	}
	if t.Build.ShmSize > 0 {
		in.Options["shm_size"] = fmt.Sprint(int64(t.Build.ShmSize))
	}
	if len(t.Build.Ulimits) > 0 {
		limits, err := json.Marshal(t.Build.Ulimits) // by name
		if err != nil {
			return in, err
		}
		in.Options["ulimits"] = string(limits)
	}
	var err error
	if in.Context, err = localTree(t.Context, t.Dockerfile); err != nil {
		return in, err
	}
	for name, source := range t.Build.AdditionalContexts {
		if in.Contexts[name], err = localTree(source, ""); err != nil {
			return in, fmt.Errorf("additional context %q: %w", name, err)
		}
	}
	return in, nil
}

// localTree reads which files of a context count; of a context that is not on this machine only the address is known.
func localTree(source, dockerfile string) (Tree, error) {
	if !filepath.IsAbs(source) {
		return Tree{Address: source}, nil
	}
	patterns, file, err := buildcontext.Ignore(source, dockerfile)
	return Tree{Dir: source, Patterns: patterns, IgnoreFile: file}, err
}
