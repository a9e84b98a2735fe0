package compose

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/docker/compose/v5/pkg/remote"
	"go.yaml.in/yaml/v4"
)

var (
	parserLine    = regexp.MustCompile(`line (\d+): [^:]*$`)
	mappingLine   = regexp.MustCompile(`line (\d+): (mapping key .*)`)
	modelPath     = regexp.MustCompile(`(?:services|volumes|networks|secrets|configs)(?:[.\[][A-Za-z0-9_\-]+\]?)+`)
	topLevelKey   = regexp.MustCompile(`^additional properties '([^']+)' not allowed`)
	variableFile  = regexp.MustCompile(`failed to read (\S+): line (\d+): (.*)`)
	bareService   = regexp.MustCompile(`^service (\S+) `)
	quotedThing   = regexp.MustCompile(`\b(service|volume|network|secret|config) "([^"]+)"`)
	falseSchema   = regexp.MustCompile(`([\w.\-\[\]]+) false schema`)
	bareInFiles   = regexp.MustCompile(`: (\S+)$`)
	quotedInFiles = regexp.MustCompile(`"([^"]+)"$`)
	indexOfPath   = regexp.MustCompile(`\[([^\]]+)\]`)
	loaderPrefix  = regexp.MustCompile(`^(validating|failed to parse) \S+: |^decoding failed due to the following error\(s\):\s*|: invalid compose project$`)
)

// locate says which file:line a loader message is about ("" where it can't tell), and puts the message in plainer
// words. The loader reports model paths (services.redis.ports) or, for syntax, lines without a file.
func locate(files []string, message string) (where, text string) {
	text = message
	for loaderPrefix.MatchString(text) {
		text = strings.TrimSpace(loaderPrefix.ReplaceAllString(text, ""))
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var root yaml.Node
		if err := yaml.Unmarshal(content, &root); err != nil {
			if line := syntaxLine(err.Error()); line != "" {
				return file + ":" + line, "not valid YAML: " + afterLast(err.Error(), ": ")
			}
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
	if m := falseSchema.FindStringSubmatch(text); m != nil {
		text = fmt.Sprintf("unknown key %q in %q", afterLast(m[1], "."), strings.TrimSuffix(m[1], "."+afterLast(m[1], ".")))
	}
	if line := lineOf(files, path, message); line != "" {
		return line, text
	}
	return "", text
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
// [services a deploy].
func pathIn(message string) []string {
	if p := modelPath.FindString(message); p != "" {
		return strings.Split(indexOfPath.ReplaceAllString(p, ".$1"), ".")
	}
	if m := quotedThing.FindStringSubmatch(message); m != nil {
		return []string{m[1] + "s", m[2]}
	}
	if m := bareService.FindStringSubmatch(message); m != nil {
		return []string{"services", m[1]}
	}
	if m := topLevelKey.FindStringSubmatch(message); m != nil {
		return []string{m[1]}
	}
	return nil
}

// lineOf looks the path up in the files, the last file that has the most of it winning; without a path it looks for
// the message's last word, or what it quotes last, as a scalar. It returns "file:line" or "".
func lineOf(files []string, path []string, message string) string {
	best, bestDepth := "", 0
	for _, file := range slices.Backward(files) {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var root yaml.Node
		if yaml.Unmarshal(content, &root) != nil || len(root.Content) == 0 {
			continue
		}
		if line, depth := descend(root.Content[0], path); depth > bestDepth {
			best, bestDepth = fmt.Sprintf("%s:%d", file, line), depth
		}
		if len(path) > 0 {
			continue
		}
		line := 0
		if m := bareInFiles.FindStringSubmatch(message); m != nil {
			line = scalarLine(&root, func(value string) bool { return strings.Contains(value, m[1]) })
		}
		if m := quotedInFiles.FindStringSubmatch(message); m != nil {
			line = scalarLine(&root, func(value string) bool { return value == m[1] })
		}
		if line > 0 {
			return fmt.Sprintf("%s:%d", file, line)
		}
	}
	return best
}

// descend follows path as far as the document has it, and gives the line of the last key found and how many were.
func descend(n *yaml.Node, path []string) (line, depth int) {
	for _, key := range path {
		if n.Kind != yaml.MappingNode {
			return line, depth
		}
		found := false
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				line, n, found = n.Content[i].Line, n.Content[i+1], true
				break
			}
		}
		if !found {
			return line, depth
		}
		depth++
	}
	return line, depth
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
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var root yaml.Node
		if yaml.Unmarshal(content, &root) != nil {
			continue
		}
		line := scalarLine(&root, func(value string) bool {
			return value == path || absolute(filepath.Dir(file), value) == path || absolute(filepath.Dir(files[0]), value) == path
		})
		if line > 0 {
			return fmt.Sprintf("%s:%d", file, line)
		}
	}
	return ""
}

func afterLast(s, sep string) string {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[i+len(sep):]
	}
	return s
}
