package edit

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// value is what a key is to have: as a node, and as the rule spells it in one line.
type value struct {
	node *yaml.Node
	flow string
}

// valueOf reads a value in one line.
func valueOf(text string) (*value, error) {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil || len(n.Content) != 1 || strings.ContainsAny(text, "\n\r") {
		return nil, refuse("%q is no value", text)
	}
	return &value{n.Content[0], text}, nil
}

// below gives the value under keys that are not there yet.
func (v *value) below(keys []string) *value {
	for _, key := range slices.Backward(keys) {
		name := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}
		v = &value{
			node: &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{name, v.node}},
			flow: "{" + spelled(name) + ": " + v.flow + "}",
		}
	}
	return v
}

var plainWord = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// spelled gives a scalar as it is written.
func spelled(n *yaml.Node) string {
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0:
		return "'" + strings.ReplaceAll(n.Value, "'", "''") + "'"
	case n.Style&yaml.DoubleQuotedStyle == 0 && (n.Tag != "!!str" || plainWord.MatchString(n.Value)):
		return n.Value
	case n.Style == 0 && resolved(n.Value) == "!!str":
		return n.Value
	}
	quoted, _ := json.Marshal(n.Value) // of a string it can't fail
	return string(quoted)
}

// resolved is what a plain text is to YAML.
func resolved(text string) string {
	var n yaml.Node
	if yaml.Unmarshal([]byte(text), &n) != nil || len(n.Content) != 1 || n.Content[0].Kind != yaml.ScalarNode ||
		n.Content[0].Value != text {
		return ""
	}
	return n.Content[0].Tag
}

// block gives the lines of a key with its value, from a column on (0 is the first); step is how far each level is in.
func block(key, n *yaml.Node, column, step int) []string {
	head := strings.Repeat(" ", column) + spelled(key) + ":"
	if n.Kind == yaml.ScalarNode {
		return []string{head + " " + spelled(n)}
	}
	out := []string{head}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		out = append(out, block(n.Content[i], n.Content[i+1], column+step, step)...)
	}
	return out
}

// flow gives a value in one line.
func flow(n *yaml.Node) string {
	if n.Kind != yaml.MappingNode {
		return spelled(n)
	}
	var parts []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		parts = append(parts, spelled(n.Content[i])+": "+flow(n.Content[i+1]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// simple says whether block can write the value.
func simple(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.ScalarNode:
		return true
	case yaml.MappingNode:
		return len(n.Content) > 0 && !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return !simple(c) })
	}
	return false
}

// is says whether a node has a value that is spelled in one line.
func is(n *yaml.Node, spelled string) bool {
	v, err := valueOf(spelled)
	return err == nil && n != nil && equal(n, v.node)
}

// equal says whether two values are the same, however they are written.
func equal(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Tag == b.Tag && a.Value == b.Value && slices.EqualFunc(a.Content, b.Content, equal)
}

// same says whether two nodes are the same in all that is not a place or a comment.
func same(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Tag == b.Tag && a.Value == b.Value && a.Anchor == b.Anchor && a.Style == b.Style &&
		slices.EqualFunc(a.Content, b.Content, same)
}

// changed says whether the second node is the first one but for the key of a path, which has a value then; nil: which
// is not there.
func changed(before, after *yaml.Node, path []string, wanted *value) bool {
	if len(path) == 0 {
		return wanted != nil && equal(after, wanted.node) && before.Anchor == after.Anchor
	}
	if before.Kind != after.Kind || before.Tag != after.Tag || before.Anchor != after.Anchor {
		return false
	}
	old, had := child(before, path[0])
	now, has := child(after, path[0])
	if !slices.EqualFunc(without(before, old, had), without(after, now, has), same) {
		return false
	}
	switch {
	case had && has:
		return old.index == now.index && same(keyOf(old), keyOf(now)) &&
			changed(old.value, now.value, path[1:], wanted)
	case has:
		return wanted != nil && equal(now.value, wanted.below(path[1:]).node)
	}
	return had && wanted == nil && len(path) == 1
}

// keyOf is the step's key; an element of a list has none.
func keyOf(s step) *yaml.Node {
	if s.parent.Kind == yaml.MappingNode {
		return s.key
	}
	return &yaml.Node{}
}

// without gives what a node has beside a step.
func without(n *yaml.Node, s step, there bool) []*yaml.Node {
	if !there {
		return n.Content
	}
	width := 1
	if n.Kind == yaml.MappingNode {
		width = 2
	}
	return slices.Concat(n.Content[:s.index], n.Content[s.index+width:])
}
