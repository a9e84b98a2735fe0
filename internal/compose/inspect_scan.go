package compose

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// scan walks one Compose file as it is written: aliases are not expanded.
type scan struct {
	*inspection
	file     string
	dirs     []string
	names    []named
	expanded int                // bytes, variables put in
	depths   map[*yaml.Node]int // of what has an anchor
}

// document looks at one document and then at the files that it names.
func (s *scan) document(root *yaml.Node) error {
	if _, err := s.value(root, 0); err != nil {
		return err
	}
	names := s.names
	s.names = nil
	for _, n := range names {
		if err := s.follow(s.file, n); err != nil {
			return err
		}
	}
	return nil
}

func (s *scan) refuse(n *yaml.Node, format string, args ...any) error {
	return fault.New(fault.Config, fault.Correct, "%s:%d: %s", s.file, n.Line, fmt.Sprintf(format, args...))
}

// value gives how deep the values in n are.
func (s *scan) value(n *yaml.Node, above int) (depth int, err error) {
	if n.Kind == yaml.AliasNode { // of what stands before it; one in itself is the parser's to refuse
		depth = s.depths[n.Alias]
	}
	if above+depth > maxDepth {
		return 0, s.refuse(n, "values are nested in more than %d others", maxDepth)
	}
	if n.Kind == yaml.ScalarNode {
		return 0, s.scalar(n)
	}
	for i, child := range n.Content {
		deep, err := s.value(child, above+1)
		if err != nil {
			return 0, err
		}
		depth = max(depth, deep+1)
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			s.name(n.Content[i-1].Value, child)
		}
	}
	if n.Anchor != "" {
		s.depths[n] = depth
	}
	return depth, nil
}

// scalar refuses a value that its variables would make too large.
func (s *scan) scalar(n *yaml.Node) error {
	more, deep := expandedSize(n.Value, func(name string) int { return len(s.vars[name]) })
	s.expanded += more
	switch {
	case deep > maxNestedDefaults:
		return s.refuse(n, "variables are nested in more than %d others", maxNestedDefaults)
	case s.expanded > maxVariableBytes:
		return s.refuse(n, "its variables put in, the file has more than %d MiB", maxVariableBytes>>20)
	}
	return nil
}

// name collects the files that a value names, by the value's key alone: where the key stands does not matter, since a
// path without a file is not read.
func (s *scan) name(key string, n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch key {
	case "include":
		for _, one := range items(n) {
			if one.Kind != yaml.MappingNode {
				s.add(key, one, s.dirs)
				continue
			}
			dirs := s.dirs
			for _, dir := range fieldsOf(one, "project_directory") {
				dirs = append([]string{absolute(s.dir, dir.Value)}, dirs...)
			}
			for _, path := range fieldsOf(one, "path") {
				s.add(key, path, dirs)
			}
			for _, file := range fieldsOf(one, "env_file") {
				s.add("env_file", file, dirs)
			}
		}
	case "extends":
		for _, file := range fieldsOf(n, "file") {
			s.add(key, file, s.dirs)
		}
	case "env_file", "label_file":
		for _, one := range items(n) {
			for _, path := range append(fieldsOf(one, "path"), one) {
				s.add(key, path, s.dirs)
			}
		}
	}
}

func (s *scan) add(kind string, n *yaml.Node, dirs []string) {
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		s.names = append(s.names, named{path: n.Value, line: n.Line, kind: kind, dirs: dirs})
	}
}

// items are a list's values, or the value that stands for a list of one.
func items(n *yaml.Node) []*yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	var out []*yaml.Node
	for _, one := range n.Content {
		if one.Kind == yaml.AliasNode {
			one = one.Alias
		}
		out = append(out, one)
	}
	return out
}

// fieldsOf gives the values under a key of a mapping; none where the node is no mapping.
func fieldsOf(n *yaml.Node, key string) []*yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return items(n.Content[i+1])
		}
	}
	return nil
}

// reference is a variable in a text: $NAME, ${NAME…}.
var reference = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)

// expandedSize gives the bytes of the variables in a text and how deep they are nested.
func expandedSize(text string, size func(name string) int) (bytes, deep int) {
	if !strings.Contains(text, "$") {
		return 0, 0
	}
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		bytes = min(bytes+size(m[1]), 1<<40)
	}
	now := 0
	for i := range len(text) {
		switch {
		case text[i] == '$' && i+1 < len(text) && text[i+1] == '{':
			now++
			deep = max(deep, now)
		case text[i] == '}' && now > 0:
			now--
		}
	}
	return bytes, deep
}

// checkExpansion bounds the size of an env file's variables: each may contain those before it, twice.
func checkExpansion(file string, content []byte, vars types.Mapping) error {
	sizes, total, number, last := map[string]int{}, 0, 0, ""
	for line := range strings.Lines(string(content)) {
		number++
		key, value, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if !found { // of a value of several lines, or "KEY: value"
			key, value = last, line
		}
		last = strings.TrimSpace(key)
		more, deep := expandedSize(value, func(name string) int {
			if size, ok := sizes[name]; ok {
				return size
			}
			return len(vars[name])
		})
		sizes[last] = min(sizes[last]+len(value)+more, 1<<40)
		total += more
		switch {
		case deep > maxNestedDefaults:
			return fault.New(fault.Config, fault.Correct, "%s:%d: variables are nested in more than %d others", file,
				number, maxNestedDefaults)
		case total > maxVariableBytes || sizes[last] > maxVariableBytes:
			return fault.New(fault.Config, fault.Correct, "%s:%d: its variables put in, the file has more than %d MiB",
				file, number, maxVariableBytes>>20)
		}
	}
	return nil
}
