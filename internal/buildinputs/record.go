package buildinputs

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/dockerfile"
)

// version is the version of the format; a record of another version counts as none.
const version = 1

// hashBytes is the size up to which a file's content is compared; a larger one's size and time must do.
const hashBytes = 64 << 20

// Record is what a build of an image read. It holds neither secrets nor the values of arguments that look like some.
type Record struct {
	Version    int               `json:"version"`
	Project    string            `json:"project"`
	Service    string            `json:"service"`
	Dockerfile string            `json:"dockerfile"`
	Text       string            `json:"text"`
	Args       map[string]string `json:"args,omitempty"` // of those that look secret, a digest
	Options    map[string]string `json:"options,omitempty"`
	Target     string            `json:"target,omitempty"`
	Platform   string            `json:"platform,omitempty"`
	Bases      map[string]string `json:"bases,omitempty"` // by full reference
	Secrets    []string          `json:"secrets,omitempty"`
	NoCache    bool              `json:"noCache,omitempty"`
	Failed     bool              `json:"failed,omitempty"`
	Trees      map[string]Files  `json:"trees,omitempty"` // the contexts, "" for the main one
	Steps      []StepState       `json:"steps,omitempty"`
	Stamp      string            `json:"stamp,omitempty"`
}

// Files is a context: what the image's steps take from it.
type Files struct {
	Dir        string   `json:"dir,omitempty"`
	Address    string   `json:"address,omitempty"`
	IgnoreFile string   `json:"ignoreFile,omitempty"`
	Patterns   []string `json:"patterns,omitempty"`
	Files      []File   `json:"files,omitempty"` // by path
}

// File is a file, link or directory of a context.
type File struct {
	Path    string      `json:"path"`
	Size    int64       `json:"size,omitempty"`
	Mode    fs.FileMode `json:"mode"`
	ModTime int64       `json:"mtime,omitempty"`  // nanoseconds since 1970
	SHA256  string      `json:"sha256,omitempty"` // "" for a large file
	Link    string      `json:"link,omitempty"`   // what a link says
}

// StepState is what became of a step.
type StepState struct {
	Stage   string  `json:"stage,omitempty"`
	Line    int     `json:"line"`
	Last    int     `json:"last"`
	Text    string  `json:"text"`
	State   string  `json:"state,omitempty"` // ran, cached, failed; "" for one that the build did not get to
	Seconds float64 `json:"seconds,omitempty"`
}

// What became of a step.
const (
	NotReached = "" // the build did not get to it
	Ran        = "ran"
	Cached     = "cached"
	Failed     = "failed"
)

// Step is a step of a build as BuildKit names it: "[build 4/9] COPY services/internal internal".
type Step struct {
	Name    string
	Cached  bool
	Failed  bool // it ran, and broke the build
	Seconds float64
}

// Take records what a build with these inputs reads now. Only those of the contexts' files are read whose size or time
// differs from before, which may be nil.
func Take(ctx context.Context, in Inputs, before *Record) (Record, error) {
	return take(ctx, in, before, &disk{})
}

func take(ctx context.Context, in Inputs, before *Record, d *disk) (Record, error) {
	r := Record{
		Version: version, Project: in.Project, Service: in.Service, Dockerfile: in.Dockerfile, Text: in.Text,
		Args:    disguised(in.Args),
		Options: in.Options, Target: in.Target, Platform: in.Platform,
		Secrets: slices.Sorted(slices.Values(in.Secrets)),
		NoCache: in.NoCache, Stamp: in.Stamp, Trees: map[string]Files{},
	}
	for ref, digest := range in.Bases {
		r.AddBase(ref, digest)
	}
	p, err := r.Plan()
	if err != nil {
		return Record{}, dockerfile.Located(r.Dockerfile, err)
	}
	trees := maps.Clone(in.Contexts)
	if trees == nil {
		trees = map[string]Tree{}
	}
	trees[""] = in.Context
	for name, tree := range trees {
		name = strings.ToLower(name)
		files := Files{
			Dir: tree.Dir, Address: disguisedURL(tree.Address), IgnoreFile: tree.IgnoreFile,
			Patterns: tree.Patterns,
		}
		if tree.Dir != "" {
			if files.Files,
				err = d.files(ctx, tree, p.SourcesOf(name), before.ContextFiles(name, tree.Dir)); err != nil {
				return Record{}, err
			}
		}
		r.Trees[name] = files
	}
	for _, n := range p.Nodes {
		if n.IsStep() {
			r.Steps = append(r.Steps,
				StepState{Stage: n.Stage.Name, Line: n.Line, Last: n.Instruction.Last, Text: n.Instruction.Short})
		}
	}
	return r, nil
}

// Plan reads the record's Dockerfile again.
func (r *Record) Plan() (*dockerfile.Plan, error) {
	return dockerfile.Parse(r.Text, dockerfile.Options{Args: r.Args, Target: r.Target, Platform: r.Platform})
}

// StateAt is what became of the step at a line of the record's own Dockerfile.
func (r *Record) StateAt(line int) string {
	for _, s := range r.Steps {
		if s.Line == line {
			return s.State
		}
	}
	return NotReached
}

// AddBase keeps the digest of a base.
func (r *Record) AddBase(ref, digest string) {
	if digest == "" {
		return
	}
	if r.Bases == nil {
		r.Bases = map[string]string{}
	}
	full, _ := dockerfile.FullReference(ref)
	r.Bases[full] = digest
}

// ContextFiles gives the files of one context by path, none where they were another directory's; r may be nil.
func (r *Record) ContextFiles(name, dir string) map[string]File {
	out := map[string]File{}
	if r != nil && r.Trees[name].Dir == dir {
		for _, f := range r.Trees[name].Files {
			out[f.Path] = f
		}
	}
	return out
}
