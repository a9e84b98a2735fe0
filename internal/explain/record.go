package explain

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/25eloquence/compose-mage/internal/buildcontext"
)

// version is that of the format; a record of another one counts as none.
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

const (
	stateNone   = ""
	stateRan    = "ran"
	stateCached = "cached"
	stateFailed = "failed"
)

// Take records what a build with these inputs reads now. Of the contexts' files only those are read whose size or time is
// not as in before, which may be nil.
func Take(ctx context.Context, in Inputs, before *Record) (Record, error) {
	return take(ctx, in, before, &disk{})
}

func take(ctx context.Context, in Inputs, before *Record, d *disk) (Record, error) {
	r := Record{
		Version: version, Project: in.Project, Service: in.Service, Dockerfile: in.Dockerfile, Text: in.Text, Args: disguised(in.Args),
		Options: in.Options, Target: in.Target, Platform: in.Platform, Secrets: slices.Sorted(slices.Values(in.Secrets)),
		NoCache: in.NoCache, Stamp: in.Stamp, Trees: map[string]Files{},
	}
	for ref, digest := range in.Bases {
		r.base(ref, digest)
	}
	p, err := parse(r.Text, r.Args, r.Target, r.Platform)
	if err != nil {
		return Record{}, fmt.Errorf("%s: %w", r.Dockerfile, err)
	}
	trees := maps.Clone(in.Contexts)
	if trees == nil {
		trees = map[string]Tree{}
	}
	trees[""] = in.Context
	for name, tree := range trees {
		name = strings.ToLower(name)
		files := Files{Dir: tree.Dir, Address: disguisedURL(tree.Address), IgnoreFile: tree.IgnoreFile, Patterns: tree.Patterns}
		if tree.Dir != "" {
			if files.Files, err = d.files(ctx, tree, p.readsOf(name), before.tree(name, tree.Dir)); err != nil {
				return Record{}, err
			}
		}
		r.Trees[name] = files
	}
	for _, n := range p.nodes {
		if n.real() {
			r.Steps = append(r.Steps, StepState{Stage: n.stage.name, Line: n.line, Last: n.in.last, Text: n.in.short})
		}
	}
	return r, nil
}

// plan reads the record's Dockerfile again.
func (r *Record) plan() (*plan, error) { return parse(r.Text, r.Args, r.Target, r.Platform) }

// state is what became of a step of the record's own plan.
func (r *Record) state(n *node) string {
	for _, s := range r.Steps {
		if s.Line == n.line {
			return s.State
		}
	}
	return stateNone
}

// tree gives the files of one context by path, none where they were another directory's; r may be nil.
func (r *Record) tree(name, dir string) map[string]File {
	out := map[string]File{}
	if r != nil && r.Trees[name].Dir == dir {
		for _, f := range r.Trees[name].Files {
			out[f.Path] = f
		}
	}
	return out
}

// readsOf is what all steps of the plan take from one context.
func (p *plan) readsOf(tree string) []read {
	var out []read
	for _, n := range p.nodes {
		for _, r := range n.reads {
			if strings.EqualFold(r.tree, tree) {
				out = append(out, r)
			}
		}
	}
	return out
}

// disk reads contexts, each directory and each file once: the images of a stack share most of them.
type disk struct {
	mu     sync.Mutex
	walks  map[string]func() ([]buildcontext.File, error)
	hashes map[string]func() string
}

// files lists what the reads take of a context, sorted by path, and the links that lead there.
func (d *disk) files(ctx context.Context, tree Tree, reads []read, before map[string]File) ([]File, error) {
	if len(reads) == 0 {
		return nil, nil
	}
	all, err := d.walk(ctx, tree)
	if err != nil {
		return nil, err
	}
	links := map[string]string{}
	for _, f := range all {
		if f.Link != "" {
			links[f.Path] = f.Link
		}
	}
	reads = followed(reads, links)
	var out []File
	for _, f := range all {
		if !slices.ContainsFunc(reads, func(r read) bool { return r.matches(f.Path) }) {
			continue
		}
		file := File{Path: f.Path, Size: f.Size, Mode: f.Mode, ModTime: f.ModTime, Link: f.Link}
		switch old, known := before[f.Path]; {
		case !f.Mode.IsRegular():
			file.ModTime = 0
		case f.Size > hashBytes:
		case known && old.SHA256 != "" && old.Size == f.Size && old.ModTime == f.ModTime:
			file.SHA256 = old.SHA256
		default:
			file.SHA256 = d.hash(ctx, filepath.Join(tree.Dir, filepath.FromSlash(f.Path)), f)
		}
		out = append(out, file)
	}
	slices.SortFunc(out, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return out, ctx.Err()
}

func (d *disk) walk(ctx context.Context, tree Tree) ([]buildcontext.File, error) {
	if tree.Files != nil {
		return tree.Files()
	}
	key := tree.Dir + "\x00" + strings.Join(tree.Patterns, "\x00")
	d.mu.Lock()
	if d.walks == nil {
		d.walks = map[string]func() ([]buildcontext.File, error){}
	}
	once := d.walks[key]
	if once == nil {
		once = sync.OnceValues(func() (all []buildcontext.File, err error) {
			err = buildcontext.Walk(ctx, tree.Dir, tree.Patterns, func(f buildcontext.File) error {
				all = append(all, f)
				return nil
			})
			return all, err
		})
		d.walks[key] = once
	}
	d.mu.Unlock()
	return once()
}

// hash is the content's SHA-256; "" for a file that can't be read any more.
func (d *disk) hash(ctx context.Context, name string, f buildcontext.File) string {
	key := fmt.Sprint(name, "\x00", f.Size, "\x00", f.ModTime)
	d.mu.Lock()
	if d.hashes == nil {
		d.hashes = map[string]func() string{}
	}
	once := d.hashes[key]
	if once == nil {
		once = sync.OnceValue(func() string {
			file, err := os.Open(name)
			if err != nil || ctx.Err() != nil {
				return ""
			}
			defer file.Close()
			h := sha256.New()
			if _, err := io.Copy(h, file); err != nil {
				return ""
			}
			return hex.EncodeToString(h.Sum(nil))
		})
		d.hashes[key] = once
	}
	d.mu.Unlock()
	return once()
}
