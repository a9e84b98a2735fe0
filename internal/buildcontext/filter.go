package buildcontext

import (
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/moby/patternmatcher"
)

const separator = string(filepath.Separator)

// filter decides on each path of a walk as fsutil.NewFilterFS does with ExcludePatterns; tests hold the two together.
// This filter is some ten times faster, since the literal parts of most patterns tell that a path doesn't match.
type filter struct {
	patterns   []pattern
	exceptions []string // what may lie in an excluded directory, each with a separator at its end
	// prefixes says that all exceptions are plain paths, so that a directory that holds none need not be entered.
	prefixes bool
	parents  []parent
}

// pattern is a line of an ignore file.
type pattern struct {
	exception          bool
	head, middle, tail string                         // what a path that matches must begin with, hold and end with
	matcher            *patternmatcher.PatternMatcher // of this pattern alone; of an exception, the other way round
	no                 patternmatcher.MatchInfo       // tells it that the directory above doesn't match
}

// parent is a directory of the path at hand.
type parent struct {
	file    File
	path    string // with a separator at its end
	matched []bool // by pattern, as far as it was asked
	passed  bool   // visited
}

// special are the characters that make a path a pattern, as fsutil lists them.
var special = map[bool]string{true: `*[]?^`, false: `*[]?^\`}[os.PathSeparator == '\\']

func newFilter(lines []string) (*filter, error) {
	all, err := patternmatcher.New(lines)
	if err != nil {
		return nil, err
	}
	f := &filter{prefixes: true}
	for _, line := range all.Patterns() {
		text := line.String()
		p := pattern{exception: line.Exclusion()}
		if err := p.compile(text); err != nil {
			return nil, err
		}
		p.literals(text)
		f.patterns = append(f.patterns, p)
		if p.exception {
			// As fsutil cuts it.
			plain := strings.TrimSuffix(strings.TrimSuffix(text, separator+"**"), separator+"*")
			f.exceptions = append(f.exceptions, plain+separator)
			f.prefixes = f.prefixes && !strings.ContainsAny(plain, special)
		}
	}
	return f, nil
}

// compile makes the matcher of one pattern. The matcher of an exception needs another pattern that it is an exception
// to.
func (p *pattern) compile(text string) (err error) {
	alone, never := []string{text}, []string{"!a"}
	if p.exception {
		alone, never = []string{"**", "!" + text}, []string{"!a", "!b"}
	}
	// New cuts spaces and cleans the path, once each; text has been through that, and must not go through it again.
	if last := &alone[len(alone)-1]; strings.TrimSpace(*last) != *last {
		*last += "/."
		if !p.exception {
			*last = "./" + *last
		}
	}
	if p.matcher, err = patternmatcher.New(alone); err != nil {
		return err
	}
	// Exceptions alone match nothing, whatever the path.
	none, err := patternmatcher.New(never)
	if err == nil {
		_, p.no, err = none.MatchesUsingParentResults("x", patternmatcher.MatchInfo{})
	}
	return err
}

// literals finds the text that every path has which the pattern matches. "**/" may stand for nothing.
func (p *pattern) literals(text string) {
	const wild = `*?[]^\`
	if !utf8.ValidString(text) { // regexp takes any broken byte for any other
		return
	}
	p.head, p.tail = text, text
	if i := strings.IndexAny(text, wild); i >= 0 {
		p.head = text[:i]
		p.tail = strings.TrimPrefix(text[strings.LastIndexAny(text, wild)+1:], separator)
	}
	if strings.ContainsAny(text, `[]^\`) {
		return
	}
	for run := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == '*' || c == '?' }) {
		if run = strings.TrimPrefix(run, separator); len(run) > len(p.middle) {
			p.middle = run
		}
	}
}

// match says whether the pattern matches path itself.
func (p *pattern) match(path string) (bool, error) {
	if !strings.HasPrefix(path, p.head) || !strings.HasSuffix(path, p.tail) || !strings.Contains(path, p.middle) {
		return false, nil
	}
	m, _, err := p.matcher.MatchesUsingParentResults(path, p.no)
	return m != p.exception, err
}

// excluded decides on one path, in the order of a walk. Should the path be a directory, d is for the paths below it.
func (f *filter) excluded(path string) (out bool, d parent, err error) {
	above := f.enter(path)
	d.path = path + separator
	for i := range f.patterns {
		p := &f.patterns[i]
		match := above != nil && above[i]
		if !match {
			// As in patternmatcher: a pattern that would change nothing is not asked, and not known below either.
			if p.exception != out {
				continue
			}
			if match, err = p.match(path); err != nil {
				return false, d, err
			}
		}
		if match {
			if d.matched == nil {
				d.matched = make([]bool, len(f.patterns))
			}
			d.matched[i] = true
			out = !p.exception
		}
	}
	return out, d, nil
}

// enter closes the directories that path is not in, and says which patterns match the last that is left.
func (f *filter) enter(path string) []bool {
	for n := len(f.parents); n > 0; n = len(f.parents) {
		if last := f.parents[n-1]; strings.HasPrefix(path, last.path) {
			return last.matched
		}
		f.parents = f.parents[:n-1]
	}
	return nil
}

// enters says whether an excluded directory may hold a path that an exception lets in.
func (f *filter) enters(dir string) bool {
	if len(f.exceptions) == 0 {
		return false
	}
	for _, e := range f.exceptions {
		if strings.HasPrefix(e, dir+separator) {
			return true
		}
	}
	return !f.prefixes
}
