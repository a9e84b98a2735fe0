package compose

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/docker/compose/v5/pkg/remote"
	"go.yaml.in/yaml/v4"
)

// sections are the keys at the top of a Compose file that hold things by name.
const sections = `services|volumes|networks|secrets|configs|models|jobs`

var (
	parserLine    = regexp.MustCompile(`line (\d+): [^:]*$`)
	mappingLine   = regexp.MustCompile(`line (\d+): (mapping key .*)`)
	modelPath     = regexp.MustCompile(`\b(?:` + sections + `)(?:\.?\[[^\]]*\]|\.[\w\-]+)+`)
	section       = regexp.MustCompile(`^(?:` + sections + `|include|name)\b`)
	additionalKey = regexp.MustCompile(`^(\S*) ?additional properties '([^']+)'.* not allowed`)
	falseSchema   = regexp.MustCompile(`^(\S+)\.([\w\-]+) false schema`)
	variableFile  = regexp.MustCompile(`failed to read (\S+): line (\d+): (.*)`)
	bareService   = regexp.MustCompile(`^service (\S+) `)
	quotedThing   = regexp.MustCompile(`\b(service|volume|network|secret|config|model|job) "([^"]+)"`)
	nestedKey     = regexp.MustCompile(`^[a-z_]+\.[a-z_]+\b`)
	quotedWord    = regexp.MustCompile("\\B[\"'`]([^\"'`\n]+)[\"'`]")
	undefinedWord = regexp.MustCompile(`undefined [a-z ]+ (\S+)$`)
	bareInFiles   = regexp.MustCompile(`(?:: | and )(\S+)$`)
	circular      = regexp.MustCompile(`^Circular reference:\n\s+(\S+) in `)
	quotedInFiles = regexp.MustCompile(`"([^"]+)"$`)
	indexOfPath   = regexp.MustCompile(`\.?\[([^\]]*)\]`)
	loaderPrefix  = regexp.MustCompile(`^(validating|failed to parse) \S+: |^decoding failed due to the following ` +
		`error\(s\):\s*|: invalid compose project$`)
)

// locate says which file:line a loader message is about ("" where it can't tell), and puts the message in plainer
// words. The loader reports model paths (services.redis.ports) or, for syntax, lines without a file.
func locate(files []string, message string) (where, text string) {
	text = message
	for loaderPrefix.MatchString(text) {
		text = strings.TrimSpace(loaderPrefix.ReplaceAllString(text, ""))
	}
	for _, file := range files {
		content, why := readBounded(file, false)
		if why != "" || content == nil {
			continue
		}
		var root yaml.Node
		if err := yaml.Unmarshal(content, &root); err != nil {
			if line := syntaxLine(err.Error()); line != "" {
				return file + ":" + line, "not valid YAML: " + afterLast(err.Error(), ": ")
			}
			if line := unreadableLine(content); line > 0 {
				return fmt.Sprintf("%s:%d", file, line), "not valid YAML: it has bytes that are no text"
			}
		} else if kind, line := topOf(&root); kind != "" {
			return fmt.Sprintf("%s:%d", file, line), "at the top there is " + kind + ", and no mapping with services"
		}
		if strings.Contains(message, file) {
			if m := mappingLine.FindStringSubmatch(message); m != nil {
				return file + ":" + m[1], m[2]
			}
		}
	}
	if m := variableFile.FindStringSubmatch(text); m != nil {
		return m[1] + ":" + m[2], m[3]
	}
	for _, file := range files {
		bare, _, _ := strings.Cut(strings.TrimPrefix(file, remote.OciPrefix), "#")
		if !filepath.IsAbs(file) && file != "-" && strings.Contains(message, bare) { // a remote one
			return lineOfPath(files, file), text
		}
	}
	path := pathIn(text)
	for _, pattern := range []*regexp.Regexp{falseSchema, additionalKey} {
		if m := pattern.FindStringSubmatch(text); m != nil {
			path = append(splitPath(m[1]), m[2])
			text = strings.TrimSuffix(fmt.Sprintf("unknown key %q in %q", m[2], m[1]), ` in ""`)
		}
	}
	return lineOf(files, path, message), text
}

// unreadableLine gives the first line that has a control character or bytes that are no UTF-8; 0 for none.
func unreadableLine(content []byte) int {
	line := 1
	for len(content) > 0 {
		r, size := utf8.DecodeRune(content)
		switch {
		case r == '\n':
			line++
		case r == utf8.RuneError && size == 1, unicode.IsControl(r) && r != '\t' && r != '\r' && r != '\u0085':
			return line
		}
		content = content[size:]
	}
	return 0
}

// topOf says what stands at the top of a document that is no mapping, and on which line; "" for a mapping or nothing.
func topOf(root *yaml.Node) (kind string, line int) {
	if len(root.Content) == 0 {
		return "", 0
	}
	switch top := root.Content[0]; {
	case top.Kind == yaml.SequenceNode:
		return "a list", top.Line
	case top.Kind == yaml.ScalarNode && top.Tag != "!!null":
		return "a single value", top.Line
	}
	return "", 0
}

// syntaxLine reads the line out of the YAML parser's message.
func syntaxLine(message string) string {
	for _, pattern := range []*regexp.Regexp{mappingLine, parserLine} {
		if m := pattern.FindStringSubmatch(message); m != nil {
			return m[1]
		}
	}
	return ""
}

// pathIn finds the model path a message names: "services[a].deploy" and "services.a.deploy" both become
// [services a deploy]. An element without a name is a list's.
func pathIn(message string) []string {
	if p := modelPath.FindString(message); p != "" {
		return splitPath(p)
	}
	if m := quotedThing.FindStringSubmatch(message); m != nil {
		return []string{m[1] + "s", m[2]}
	}
	if m := circular.FindStringSubmatch(message); m != nil {
		return []string{"services", m[1], "extends"}
	}
	if m := bareService.FindStringSubmatch(message); m != nil {
		return []string{"services", m[1]}
	}
	if name := section.FindString(message); name != "" {
		return []string{name}
	}
	return nil
}

func splitPath(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(indexOfPath.ReplaceAllString(path, ".$1"), ".")
}

// lineOf gives the "file:line" of the path in the files, and below the path that of the words that the message names;
// "" where there is none. The last file that has most of the path wins.
func lineOf(files, path []string, message string) string {
	best, bestDepth := "", 0
	words := wordsIn(message, path)
	documents := readDocuments(files)
	for _, d := range slices.Backward(documents) {
		line, depth, node := descend(d.root, path)
		if len(path) == 0 {
			line = scalarOf(d.root, message)
		} else if more := lineOfWords(node, words); depth > 0 && more > 0 {
			line, depth = more, depth+1
		}
		if line > 0 && (best == "" || depth > bestDepth) {
			best, bestDepth = fmt.Sprintf("%s:%d", d.file, line), depth
		}
	}
	if best == "" || bestDepth < len(path) {
		if only := onlyPlace(documents, message, path); only != "" {
			return only
		}
	}
	return best
}

type document struct {
	file string
	root *yaml.Node
}

func readDocuments(files []string) []document {
	var all []document
	for _, file := range files {
		content, why := readBounded(file, false)
		if why != "" || content == nil {
			continue
		}
		var root yaml.Node
		if yaml.Unmarshal(content, &root) == nil && len(root.Content) > 0 {
			all = append(all, document{file, root.Content[0]})
		}
	}
	return all
}

// descend follows path as far as the document has it. It gives the line of the last element found, the number of
// elements found, and the node of the last one.
func descend(n *yaml.Node, path []string) (line, depth int, last *yaml.Node) {
	for depth < len(path) {
		next, at, taken := child(n, path[depth:])
		if next == nil {
			break
		}
		n, line, depth = next, at, depth+taken
	}
	return line, depth, n
}

// child gives what the first elements of path name in n: several are one key with dots in it.
func child(n *yaml.Node, path []string) (found *yaml.Node, line, taken int) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.SequenceNode:
		if path[0] == "" { // which one is not known
			return n, n.Line, 1
		}
		if i, err := strconv.Atoi(path[0]); err == nil && i < len(n.Content) {
			return n.Content[i], n.Content[i].Line, 1
		}
	case yaml.MappingNode:
		for taken := len(path); taken > 0; taken-- {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == strings.Join(path[:taken], ".") {
					return n.Content[i+1], n.Content[i].Line, taken
				}
			}
		}
	}
	return nil, 0, 0
}

// wordsIn are the names in a message that may stand below path, the likeliest first.
func wordsIn(message string, path []string) []string {
	var words []string
	if m := undefinedWord.FindStringSubmatch(strings.TrimSuffix(message, ": invalid compose project")); m != nil {
		words = append(words, m[1])
	}
	if i := strings.LastIndex(message, "\n"); i >= 0 {
		words = append(words, message[i+1:])
	}
	for _, m := range slices.Backward(quotedWord.FindAllStringSubmatch(message, -1)) {
		if !slices.Contains(path, m[1]) {
			words = append(words, m[1])
		}
	}
	return words
}

// lineOfWords gives the line of the first key or value below n that equals one of the words, or else contains one.
func lineOfWords(n *yaml.Node, words []string) int {
	for _, word := range words {
		if line := scalarLine(n, func(value string) bool { return value == word }); line > 0 {
			return line
		}
		part := regexp.MustCompile(`(^|[^\w.\-])` + regexp.QuoteMeta(word) + `($|[^\w.\-])`)
		if line := scalarLine(n, part.MatchString); line > 0 {
			return line
		}
	}
	return 0
}

// scalarOf gives the line of the scalar that is the message's last word, or its last quoted word; 0 for none.
func scalarOf(root *yaml.Node, message string) int {
	if m := quotedInFiles.FindStringSubmatch(message); m != nil {
		return scalarLine(root, func(value string) bool { return value == m[1] })
	}
	if m := bareInFiles.FindStringSubmatch(message); m != nil {
		return scalarLine(root, func(value string) bool { return strings.Contains(value, m[1]) })
	}
	return 0
}

// onlyPlace gives the place of a key that the message names without its service ("healthcheck.test must …"), or with
// the service that was extended; "" where the files have the key more than once.
func onlyPlace(documents []document, message string, path []string) string {
	keys := strings.Split(nestedKey.FindString(message), ".")
	if len(path) > 2 && path[0] == "services" {
		keys = path[2:]
	}
	var places []string
	for _, d := range documents {
		_, depth, services := descend(d.root, []string{"services"})
		if depth == 0 || services.Kind != yaml.MappingNode {
			continue
		}
		for i := 1; i < len(services.Content); i += 2 {
			if line, depth, _ := descend(services.Content[i], keys); depth == len(keys) {
				places = append(places, fmt.Sprintf("%s:%d", d.file, line))
			}
		}
	}
	if len(places) != 1 {
		return ""
	}
	return places[0]
}

// scalarLine gives the line of the first scalar that fits, 0 for none.
func scalarLine(n *yaml.Node, fits func(value string) bool) int {
	if n.Kind == yaml.ScalarNode && fits(n.Value) {
		return n.Line
	}
	for _, child := range n.Content {
		if line := scalarLine(child, fits); line > 0 {
			return line
		}
	}
	return 0
}

// lineOfPath gives the file:line that names the path, relative to the file's or the project's directory; "" for none.
func lineOfPath(files []string, path string) string {
	for _, file := range files {
		content, why := readBounded(file, false)
		if why != "" || content == nil {
			continue
		}
		var root yaml.Node
		if yaml.Unmarshal(content, &root) != nil {
			continue
		}
		line := scalarLine(&root, func(value string) bool {
			return value == path || absolute(filepath.Dir(file), value) == path ||
				absolute(filepath.Dir(files[0]), value) == path
		})
		if line > 0 {
			return fmt.Sprintf("%s:%d", file, line)
		}
	}
	return ""
}

// LineOf gives the file:line of a key of the model ("services", "app", "build"), or of as much of the key's path as
// the files have; "" for none. The last file that has most of the path wins.
func LineOf(files, key []string) string { return lineOf(files, key, "") }

func afterLast(s, sep string) string {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[i+len(sep):]
	}
	return s
}
