// Package source owns where a key of a Compose model is written: the files of a project as YAML nodes, with their
// lines. It reads files, and changes none.
package source

import (
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// mostBytes bounds one Compose file, as the loader does.
const mostBytes = 8 << 20

// File is one Compose file.
type File struct {
	Path string
	Text []byte
	Root *yaml.Node // the first document's top mapping
}

// Files are the Compose files of a project, in the order in which they are merged: a later one's value counts.
type Files []File

// Read reads the Compose files. Those that are not on this machine, and those that are no mapping, are left out.
func Read(paths []string) Files {
	var all Files
	for _, path := range paths {
		if text, err := regular.Read(path, mostBytes); err == nil {
			if f, ok := Parse(path, text); ok {
				all = append(all, f)
			}
		}
	}
	return all
}

// Parse reads a Compose file's text; ok is false where it is no mapping.
func Parse(path string, text []byte) (f File, ok bool) {
	var root yaml.Node
	if yaml.Unmarshal(text, &root) != nil || len(root.Content) == 0 || root.Content[0].Kind != yaml.MappingNode {
		return File{}, false
	}
	return File{Path: path, Text: text, Root: root.Content[0]}, true
}

// Place gives where a path of keys is written, or as much of it as the files have: the last file that has most of it.
// Its zero value is that none has any of it.
func (all Files) Place(path ...string) check.Place {
	best, depth := check.Place{}, 0
	for _, f := range slices.Backward(all) {
		if line, n := f.line(path); n > depth {
			best, depth = check.Place{File: f.Path, Line: line}, n
		}
	}
	return best
}

// Value gives the node of a path of keys, and the file that has it, the last where several have; nil where none has.
func (all Files) Value(path ...string) (*yaml.Node, check.Place) {
	for _, f := range slices.Backward(all) {
		if _, value := Find(f.Root, path...); value != nil {
			line, _ := f.line(path)
			return value, check.Place{File: f.Path, Line: line}
		}
	}
	return nil, check.Place{}
}

// line gives the line of the last element of path that the file has, and how many it has.
func (f File) line(path []string) (line, depth int) {
	at := f.Root
	for depth < len(path) {
		key, value := Find(at, path[depth])
		if value == nil {
			break
		}
		at, depth, line = value, depth+1, key.Line
	}
	return line, depth
}

// Find follows a path of keys, and of numbers in lists, below a node, through aliases and merged mappings. Of an
// element of a list the key is the element. Both are nil where there is no such path.
func Find(n *yaml.Node, path ...string) (key, value *yaml.Node) {
	value = n
	for _, element := range path {
		if key, value = step(value, element, 0); value == nil {
			return nil, nil
		}
	}
	return key, value
}

// deepest bounds the mappings that are merged into mappings.
const deepest = 20

func step(n *yaml.Node, element string, depth int) (key, value *yaml.Node) {
	n = Resolved(n)
	if n == nil || depth > deepest {
		return nil, nil
	}
	if n.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(element); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i]
		}
		return nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == element {
			return n.Content[i], n.Content[i+1]
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != "<<" {
			continue
		}
		merged := []*yaml.Node{n.Content[i+1]}
		if list := Resolved(n.Content[i+1]); list != nil && list.Kind == yaml.SequenceNode {
			merged = list.Content
		}
		for _, m := range merged {
			if key, value = step(m, element, depth+1); value != nil {
				return key, value
			}
		}
	}
	return nil, nil
}

// Resolved is what an alias stands for; any other node is itself.
func Resolved(n *yaml.Node) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.AliasNode; i++ {
		if i > deepest {
			return nil
		}
		n = n.Alias
	}
	return n
}
