package buildcontext

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

const (
	maxLargest = 5
	// dominantShare is the share of a directory's bytes from which one child stands for the directory.
	dominantShare = 0.8
	// explainedShare is the share of the bytes that the list should explain, and negligibleShare a share that is not
	// worth a line.
	explainedShare, negligibleShare = 0.98, 0.01
)

// wholeDirectories are the names of directories that people keep out as a whole, whichever part of them is large.
var wholeDirectories = map[string]bool{
	".git": true, "node_modules": true, ".venv": true, "venv": true, "__pycache__": true, ".cache": true,
}

// tree adds up the sizes of directories. Of the files of a directory only the largest are kept, so that the tree of a
// context of a million files stays small.
type tree struct {
	root *node
	dirs map[string]*node // by path; a walk asks for the same one many times
}

type node struct {
	Entry
	parent *node
	dirs   []*node
	files  []*node // the largest, largest first
}

func newTree() *tree {
	root := &node{}
	return &tree{root: root, dirs: map[string]*node{".": root}}
}

func (t *tree) dir(p string) *node {
	if n := t.dirs[p]; n != nil {
		return n
	}
	n := &node{Entry: Entry{Path: p}, parent: t.dir(path.Dir(p))}
	n.parent.dirs = append(n.parent.dirs, n)
	t.dirs[p] = n
	return n
}

func (t *tree) add(p string, bytes int64) {
	parent := "."
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		parent = p[:i]
	}
	in := t.dir(parent)
	for n := in; n != nil; n = n.parent {
		n.Bytes += bytes
		n.Files++
	}
	if len(in.files) == maxLargest && in.files[maxLargest-1].Bytes >= bytes {
		return
	}
	in.files = append(in.files, &node{Entry: Entry{Path: p, Bytes: bytes, Files: 1}})
	slices.SortStableFunc(in.files, larger)
	in.files = in.files[:min(len(in.files), maxLargest)]
}

func larger(a, b *node) int {
	return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Path, b.Path))
}

// children are the largest first; nil for a file, and for a directory that counts as one.
func (n *node) children() []*node {
	if wholeDirectories[path.Base(n.Path)] {
		return nil
	}
	all := slices.Concat(n.dirs, n.files)
	slices.SortFunc(all, larger)
	return all
}

// share is the part of n's bytes that c holds.
func (n *node) share(c *node) float64 {
	return float64(c.Bytes) / float64(max(n.Bytes, 1))
}

// descend goes down while one child stands for its directory.
func (n *node) descend() *node {
	for {
		below := n.children()
		if len(below) == 0 || n.share(below[0]) <= dominantShare {
			return n
		}
		n = below[0]
	}
}

func (t *tree) largest() []Entry {
	var out []Entry
	for _, n := range explain(t.root) {
		out = append(out, n.Entry)
	}
	slices.SortStableFunc(out, func(a, b Entry) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return out[:min(len(out), maxLargest)]
}

// explain lists the paths below n that hold most of its bytes.
func explain(n *node) []*node {
	var out []*node
	explained := 0.0
	for _, c := range n.children() {
		if c.Bytes == 0 || explained >= explainedShare || n.share(c) < negligibleShare {
			break
		}
		explained += n.share(c)
		d := c.descend()
		if n.share(d) > dominantShare && d.mixed() {
			out = append(out, explain(d)...)
			continue
		}
		out = append(out, d)
	}
	return out
}

// mixed says whether a directory is better told by its parts: a few of them, directories among them, are most of it.
// (One of many files, as a directory of models, is told as a whole.)
func (n *node) mixed() bool {
	dirs, held := false, 0.0
	below := n.children()
	for _, c := range below[:min(len(below), maxLargest)] {
		held += n.share(c)
		dirs = dirs || c.Files > 0 && len(c.dirs)+len(c.files) > 0
	}
	return dirs && held > dominantShare
}
