package edit

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
)

// usualStep is how far in a level is where the file does not show it.
const usualStep = 2

// addition gives the change that adds a key, where way leads to as much of its path as there is.
func (d *document) addition(way steps, e check.Edit) (change, error) {
	wanted, err := valueOf(e.Value)
	if err != nil {
		return change{}, err
	}
	parent, name := d.root, "the file"
	if len(way) > 0 {
		parent, name = way.value(), way.last().name
	}
	if parent.Kind != yaml.MappingNode {
		return change{}, refuse("%s is no mapping", name)
	}
	rest := e.Path[len(way):]
	first := wanted.below(rest[1:])
	key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: rest[0]}
	c := change{path: e.Path, wanted: wanted}
	if parent.Style&yaml.FlowStyle != 0 || len(parent.Content) == 0 {
		b, ok := d.bracketed(parent)
		if !ok {
			return change{}, refuse("where %s ends is not clear", name)
		}
		c.ways = [][]splice{{d.within(b, spelled(key)+": "+first.flow)}}
		return c, nil
	}
	if !simple(first.node) {
		return change{}, refuse("%s can't be written in lines of its own", strings.Join(e.Path, "."))
	}
	column := parent.Content[0].Column
	lines := block(key, first.node, column-1, d.step(way))
	next := d.after(way)
	c.ways = [][]splice{{d.inserted(d.end(next, column), lines)}, {d.inserted(next-1, lines)}}
	if d.indented(parent.Content[0]) {
		c.ways = append(c.ways, []splice{d.inserted(parent.Content[0].Line-1, lines)})
	}
	return c, nil
}

// within adds an entry at the end of a collection in flow style.
func (d *document) within(b brackets, entry string) splice {
	switch d.text[b.last-1] {
	case '{', '[':
		if b.last == b.open+1 {
			return splice{b.last, b.last, entry}
		}
	case ',':
		return splice{b.last, b.last, " " + entry}
	}
	return splice{b.last, b.last, ", " + entry}
}

// inserted puts lines behind the line of a number, 0 for the top, with its kind of break. Where that line has none, the
// last of the new ones has none either.
func (d *document) inserted(number int, lines []string) splice {
	eol := d.broken(max(number, 1))
	text := strings.Join(lines, eol)
	if number == 0 {
		return splice{0, 0, text + eol}
	}
	l := d.lines[number-1]
	if l.next == l.end {
		return splice{l.end, l.end, eol + text}
	}
	return splice{l.next, l.next, text + eol}
}

// step is how far the file puts a level in: as the nearest mapping in lines above does.
func (d *document) step(way steps) int {
	for i := len(way) - 1; i >= 0; i-- {
		s := way[i]
		if s.parent.Kind == yaml.MappingNode && s.value.Kind == yaml.MappingNode && len(s.value.Content) > 0 &&
			s.value.Style&yaml.FlowStyle == 0 && s.value.Content[0].Column > s.key.Column {
			return s.value.Content[0].Column - s.key.Column
		}
	}
	return usualStep
}

// deletion gives the change that takes a key out, with the mappings that would be empty then.
func (d *document) deletion(way steps) (change, error) {
	least := 1
	if way[0].name == "services" {
		least = 3 // the service stays
	}
	for len(way) > least && way.last().parent.Kind == yaml.MappingNode && len(way.last().parent.Content) == 2 {
		way = way[:len(way)-1]
	}
	s := way.last()
	c := change{path: way.path()}
	if s.parent.Kind != yaml.MappingNode {
		return c, refuse("%s is no key", s.name)
	}
	if s.parent.Style&yaml.FlowStyle != 0 {
		out, err := d.cutFlow(s)
		c.ways = [][]splice{{out}}
		return c, err
	}
	if !d.indented(s.key) {
		return c, refuse("%s is not on lines of its own", s.name)
	}
	first, last := s.key.Line, d.end(d.after(way), s.key.Column)
	if last < first || last > len(d.lines) {
		return c, refuse("where %s ends is not clear", s.name)
	}
	out := splice{start: d.lines[first-1].start, end: d.lines[last-1].next}
	c.ways = [][]splice{{out}}
	return c, nil
}

// cutFlow takes an entry out of a mapping in flow style.
func (d *document) cutFlow(s step) (splice, error) {
	b, ok := d.bracketed(s.parent)
	start, known := d.offset(s.key)
	if !ok || !known {
		return splice{}, refuse("where %s ends is not clear", s.name)
	}
	if s.index+2 < len(s.parent.Content) {
		end, known := d.offset(s.parent.Content[s.index+2])
		if !known {
			return splice{}, refuse("where %s ends is not clear", s.name)
		}
		return d.without(s, start, end)
	}
	before := len(bytes.TrimRight(d.text[:start], " \t\r\n"))
	if d.text[before-1] == ',' {
		before--
	}
	return d.without(s, before, b.last)
}

// without takes bytes out that have no comment.
func (d *document) without(s step, start, end int) (splice, error) {
	if bytes.IndexByte(d.text[start:end], '#') >= 0 {
		return splice{}, refuse("a comment stands with %s", s.name)
	}
	return splice{start: start, end: end}, nil
}

// replacement gives the change that gives a key another value.
func (d *document) replacement(way steps, e check.Edit) (change, error) {
	wanted, err := valueOf(e.Value)
	if err != nil {
		return change{}, err
	}
	old := way.value()
	c := change{path: e.Path, wanted: wanted}
	switch {
	case e.Old != check.Anything && (old.Kind != yaml.ScalarNode || old.Value != e.Old):
		return c, refuse("%s has another value by now", strings.Join(e.Path, "."))
	case old.Anchor != "":
		return c, refuse("%s has an anchor", strings.Join(e.Path, "."))
	case old.Kind == yaml.ScalarNode:
		start, end, ok := d.scalar(old)
		if !ok {
			return c, refuse("%s is not a value on one line", strings.Join(e.Path, "."))
		}
		text := wanted.flow
		if n := *wanted.node; n.Kind == yaml.ScalarNode && n.Tag == "!!str" && old.Style&yaml.SingleQuotedStyle != 0 {
			n.Style = yaml.SingleQuotedStyle // as the file quotes
			text = spelled(&n)
		}
		c.ways = [][]splice{{{start, end, text}}}
		return c, nil
	case old.Style&yaml.FlowStyle != 0:
		b, ok := d.bracketed(old)
		if !ok {
			return c, refuse("where %s ends is not clear", strings.Join(e.Path, "."))
		}
		if way := d.keyedFlow(old, wanted.node, b); way != nil {
			c.ways = append(c.ways, way)
		}
		if !b.comments {
			c.ways = append(c.ways, []splice{{b.open, b.close + 1, wanted.flow}})
		}
		return c, nil
	}
	return d.keyed(way, c)
}

// keyedFlow makes keys of the elements of a list in flow style, each with its value; nil where they are not names.
func (d *document) keyedFlow(list, to *yaml.Node, b brackets) []splice {
	if list.Kind != yaml.SequenceNode || to.Kind != yaml.MappingNode || len(to.Content) != 2*len(list.Content) {
		return nil
	}
	all := []splice{{b.open, b.open + 1, "{"}, {b.close, b.close + 1, "}"}}
	for i, n := range list.Content {
		_, end, ok := d.scalar(n)
		if !ok || n.Value != to.Content[2*i].Value {
			return nil
		}
		all = append(all, splice{end, end, ": " + flow(to.Content[2*i+1])})
	}
	return all
}

// keyed makes keys of the elements of a list in lines, each with its value, so that comments stay with their element.
func (d *document) keyed(way steps, c change) (change, error) {
	list, to := way.value(), c.wanted.node
	unclear := refuse("%s is not a list of names in lines of their own", strings.Join(c.path, "."))
	if list.Kind != yaml.SequenceNode || to.Kind != yaml.MappingNode || len(to.Content) != 2*len(list.Content) {
		return c, unclear
	}
	step := d.step(way)
	column := list.Column // of the dashes, which may be as far in as the key
	if key := way.last().key; column <= key.Column {
		column = key.Column + step
	}
	var all []splice
	for i, n := range list.Content {
		start, end, ok := d.scalar(n)
		if to := to.Content[2*i : 2*i+2]; !ok || n.Value != to[0].Value || to[1].Kind != yaml.MappingNode ||
			!simple(to[1]) {
			return c, unclear
		}
		l := d.lines[n.Line-1]
		if string(bytes.Trim(d.text[l.start:start], " \t")) != "-" {
			return c, unclear
		}
		lines := block(&yaml.Node{Kind: yaml.ScalarNode}, to.Content[2*i+1], column-1, step)
		all = append(all, splice{l.start, end, strings.Repeat(" ", column-1) + string(d.text[start:end]) + ":"})
		all = append(all, d.inserted(n.Line, lines[1:]))
	}
	c.ways = [][]splice{all}
	return c, nil
}
