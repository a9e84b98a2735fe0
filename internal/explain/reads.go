package explain

import (
	"path"
	"strings"

	"github.com/moby/patternmatcher"
)

// read is what a step takes from a context, as BuildKit's cache/contenthash sees it.
type read struct {
	tree   string // the name of the context; "" for the main one
	all    bool   // all of it
	unsure bool   // since a variable in the path is not known here
	// path is relative, with slashes; it may have wildcards, each within a part, where wild says so.
	path string
	wild bool
	// include and exclude compare what is below path; nil for none.
	include, exclude *patternmatcher.PatternMatcher
}

// selection is how a COPY chooses below its source.
type selection struct {
	parents bool
	exclude []string
	plain   bool // without wildcards, as a mount's source
}

// newRead reads the source of a COPY, ADD or bind mount. A pattern that can't be understood reads everything: the builder
// will say what is wrong with it.
func newRead(tree, src string, how selection) read {
	r := read{tree: tree}
	if how.parents {
		pivot, pattern, ok := strings.Cut(src, "/./")
		if !ok {
			pivot, pattern = "/", src
		}
		include, err := patternmatcher.New([]string{clean(pattern)})
		if err != nil {
			return read{tree: tree, all: true}
		}
		r.include, src = include, pivot
	}
	if len(how.exclude) > 0 {
		exclude, err := patternmatcher.New(how.exclude)
		if err != nil {
			return read{tree: tree, all: true}
		}
		r.exclude = exclude
	}
	r.path = clean(src)
	r.wild = !how.plain && strings.ContainsAny(r.path, `*?[\`)
	if _, err := path.Match(r.path, ""); r.wild && err != nil {
		return read{tree: tree, all: true}
	}
	return r
}

// clean is a path of a context as a walk has it: relative, with slashes; "." for the whole.
func clean(p string) string {
	p = strings.TrimPrefix(path.Join("/", p), "/")
	if p == "" {
		return "."
	}
	return p
}

// matches says whether the step takes the file at p.
func (r *read) matches(p string) bool {
	if r.all {
		return true
	}
	below, ok := r.below(p)
	if !ok {
		return false
	}
	if r.include != nil {
		if m, err := r.include.MatchesOrParentMatches(below); err != nil || !m {
			return false
		}
	}
	if r.exclude != nil {
		if m, err := r.exclude.MatchesOrParentMatches(below); err == nil && m {
			return false
		}
	}
	return true
}

// below gives what of p is below the source.
func (r *read) below(p string) (string, bool) {
	if r.path == "." {
		return p, true
	}
	top := r.path
	if r.wild {
		depth := strings.Count(r.path, "/") + 1
		parts := strings.SplitN(p, "/", depth+1)
		if len(parts) < depth {
			return "", false
		}
		top = strings.Join(parts[:depth], "/")
		if m, err := path.Match(r.path, top); err != nil || !m {
			return "", false
		}
	}
	if p != top && !strings.HasPrefix(p, top+"/") {
		return "", false
	}
	return strings.TrimPrefix(strings.TrimPrefix(p, top), "/"), true
}

// top says whether p is what the source itself names.
func (r *read) top(p string) bool {
	below, ok := r.below(p)
	return ok && below == "" && !r.all
}

// maxLinks ends the resolution of links that lead in a circle.
const maxLinks = 40

// followed gives the reads with those added to which links lead: BuildKit follows the links on the way to a source, and a
// source that is one; not those below it. links are the context's.
func followed(reads []read, links map[string]string) []read {
	out := reads
	for _, r := range reads {
		if r.all {
			continue
		}
		todo := []read{r}
		for hops := 0; len(todo) > 0 && hops < maxLinks; hops++ {
			next := todo[0]
			todo = todo[1:]
			for link, target := range links {
				if moved, ok := next.through(link, target); ok {
					out = append(out, read{tree: r.tree, path: link}, moved)
					todo = append(todo, moved)
				}
			}
		}
	}
	return out
}

// through gives the read that r is where the link leads, if it passes it.
func (r *read) through(link, target string) (read, bool) {
	if !path.IsAbs(target) {
		target = path.Join(path.Dir(link), target)
	}
	moved := *r
	switch {
	case r.top(link) && r.wild:
		moved.path, moved.wild = clean(target), false
	case !r.wild && r.path == link:
		moved.path = clean(target)
	case strings.HasPrefix(r.path, link+"/") && !strings.ContainsAny(link, `*?[\`):
		moved.path = clean(target + strings.TrimPrefix(r.path, link))
	default:
		return read{}, false
	}
	return moved, moved.path != r.path
}
