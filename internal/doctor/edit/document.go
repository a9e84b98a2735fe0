package edit

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/25eloquence/compose-mage/internal/doctor/source"
)

// document is a file's text with its nodes.
type document struct {
	mark  []byte // the byte order mark, which the nodes' columns do not count
	text  []byte // without it
	lines []line
	root  *yaml.Node
	used  map[*yaml.Node]int // the nodes that aliases stand for, with the line of one of them
}

// line is one line of the text, as bytes from start to end, and next with its break.
type line struct{ start, end, next int }

var byteOrderMark = []byte("\ufeff")

// read reads a text of one document that is a mapping.
func read(text []byte) (*document, error) {
	d := &document{text: text, used: map[*yaml.Node]int{}}
	if rest, has := bytes.CutPrefix(text, byteOrderMark); has {
		d.mark, d.text = byteOrderMark, rest
	}
	if !utf8.Valid(text) {
		return nil, refuse("the file is not UTF-8")
	}
	documents := yaml.NewDecoder(bytes.NewReader(d.text))
	var first, second yaml.Node
	if err := documents.Decode(&first); err != nil || len(first.Content) == 0 {
		return nil, refuse("the file does not read as YAML")
	}
	if err := documents.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, refuse("the file has several documents")
	}
	if d.root = first.Content[0]; d.root.Kind != yaml.MappingNode {
		return nil, refuse("the file is no mapping")
	}
	d.aliases(d.root)
	d.split()
	return d, nil
}

func (d *document) aliases(n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		d.used[n.Alias] = n.Line
	}
	for _, c := range n.Content {
		d.aliases(c)
	}
}

// split finds the lines, by all that is a line's end to the YAML library.
func (d *document) split() {
	start := 0
	for i := 0; i < len(d.text); {
		r, size := utf8.DecodeRune(d.text[i:])
		after := i + size
		switch r {
		case '\r':
			if after < len(d.text) && d.text[after] == '\n' {
				after++
			}
			fallthrough
		case '\n', '\u0085', '\u2028', '\u2029':
			d.lines = append(d.lines, line{start, i, after})
			start = after
		}
		i = after
	}
	if start < len(d.text) {
		d.lines = append(d.lines, line{start, len(d.text), len(d.text)})
	}
}

// content is a line, counted from 1, without its break.
func (d *document) content(number int) []byte {
	return d.text[d.lines[number-1].start:d.lines[number-1].end]
}

// broken is the break of a line, or of the one before where it has none.
func (d *document) broken(number int) string {
	for ; number > 0; number-- {
		if l := d.lines[number-1]; l.next > l.end {
			return string(d.text[l.end:l.next])
		}
	}
	return "\n"
}

// offset gives where a node begins in the text; ok is false where that is beyond it.
func (d *document) offset(n *yaml.Node) (at int, ok bool) {
	if n.Line < 1 || n.Line > len(d.lines) {
		return 0, false
	}
	at = d.lines[n.Line-1].start
	for range n.Column - 1 {
		if at >= len(d.text) {
			return 0, false
		}
		_, size := utf8.DecodeRune(d.text[at:])
		at += size
	}
	return at, true
}

// indented says whether only spaces are before the node on its line.
func (d *document) indented(n *yaml.Node) bool {
	at, ok := d.offset(n)
	return ok && len(bytes.Trim(d.text[d.lines[n.Line-1].start:at], " ")) == 0
}

// step is a key, or an element of a list, with the node that has it.
type step struct {
	name       string
	parent     *yaml.Node
	index      int        // in the parent's Content
	key, value *yaml.Node // of an element the key is the element
}

// steps lead from a document's top to a key.
type steps []step

func (s steps) last() step { return s[len(s)-1] }

// value is the value of the last step; nil for none.
func (s steps) value() *yaml.Node {
	if len(s) == 0 {
		return nil
	}
	return s.last().value
}

// path gives the names of the steps.
func (s steps) path() []string {
	var out []string
	for _, one := range s {
		out = append(out, one.name)
	}
	return out
}

// walk follows a path of keys as far as the document has it. It refuses a way through what is written elsewhere too.
func (d *document) walk(path []string) (steps, error) {
	var way steps
	at := d.root
	for _, name := range path {
		if err := d.own(name, at, way); err != nil {
			return nil, err
		}
		next, ok := child(at, name)
		if !ok {
			if key, elsewhere := source.Find(at, name); elsewhere != nil {
				return nil, refuse("%s comes from line %d by a merge (<<)", name, key.Line)
			}
			return way, nil
		}
		way, at = append(way, next), next.value
	}
	return way, d.own("", at, way)
}

// own refuses a node that another place of the document has too.
func (d *document) own(next string, n *yaml.Node, way steps) error {
	what := "the file"
	if len(way) > 0 {
		what = way.last().name
	} else if next != "" {
		what = next
	}
	if n.Kind == yaml.AliasNode {
		return refuse("%s is the alias *%s, and what it stands for may be another's too", what, n.Value)
	}
	if line := d.used[n]; line > 0 {
		return refuse("%s has the anchor &%s, which line %d uses too", what, n.Anchor, line)
	}
	return nil
}

// child gives a key of a mapping, or an element of a list by its number, without aliases and merges.
func child(n *yaml.Node, name string) (step, bool) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Kind == yaml.ScalarNode && n.Content[i].Value == name {
				return step{name, n, i, n.Content[i], n.Content[i+1]}, true
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(n.Content) {
			return step{name, n, i, n.Content[i], n.Content[i]}, true
		}
	}
	return step{}, false
}

// after gives the line of the first node behind the last step's value, or the one after the last line.
func (d *document) after(way steps) int {
	for i := len(way) - 1; i >= 0; i-- {
		s := way[i]
		sibling := s.index + 1
		if s.parent.Kind == yaml.MappingNode {
			sibling++
		}
		if sibling < len(s.parent.Content) {
			return s.parent.Content[sibling].Line
		}
	}
	return len(d.lines) + 1
}

// end gives the last line before another one that is neither empty nor a comment, where a comment is what begins at or
// before a column: further in it may be a text's line.
func (d *document) end(before, column int) int {
	number := before - 1
	for ; number > 1; number-- {
		content := d.content(number)
		text := bytes.TrimLeft(content, " \t")
		if len(bytes.TrimSpace(text)) > 0 && string(bytes.TrimSpace(content)) != "..." &&
			(text[0] != '#' || len(content)-len(text) >= column) {
			break
		}
	}
	return number
}
