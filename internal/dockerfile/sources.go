package dockerfile

import (
	"path"
	"strings"

	"github.com/moby/patternmatcher"
)

// Source is what a step takes from a build context, as BuildKit's cache/contenthash sees it.
type Source struct {
	Context string // the name of the context; "" for the main one
	All     bool   // all of it
	Unsure  bool   // all of it, since a variable in the path is not known here
	// Path is relative, with slashes; it may have wildcards, each within a part, where wild says so.
	Path string
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

// newSource reads the source of a COPY, ADD or bind mount. A pattern that can't be understood reads everything: the
// builder will say what is wrong with it.
func newSource(context, src string, how selection) Source {
	r := Source{Context: context}
	if how.parents {
		pivot, pattern, ok := strings.Cut(src, "/./")
		if !ok {
			pivot, pattern = "/", src
		}
		include, err := patternmatcher.New([]string{clean(pattern)})
		if err != nil {
			return Source{Context: context, All: true}
		}
		r.include, src = include, pivot
	}
	if len(how.exclude) > 0 {
		exclude, err := patternmatcher.New(how.exclude)
		if err != nil {
			return Source{Context: context, All: true}
		}
		r.exclude = exclude
	}
	r.Path = clean(src)
	r.wild = !how.plain && strings.ContainsAny(r.Path, `*?[\`)
	if _, err := path.Match(r.Path, ""); r.wild && err != nil {
		return Source{Context: context, All: true}
	}
	return r
}

// Whole says whether a step takes all of the context for certain, with nothing left out.
func (s Source) Whole() bool { return s.Path == "." && s.include == nil && s.exclude == nil }

// clean is a path of a context as a walk has it: relative, with slashes; "." for the whole.
func clean(p string) string {
	p = strings.TrimPrefix(path.Join("/", p), "/")
	if p == "" {
		return "."
	}
	return p
}

// Matches says whether the step takes the file at p.
func (s *Source) Matches(p string) bool {
	if s.All {
		return true
	}
	below, ok := s.below(p)
	if !ok {
		return false
	}
	if s.include != nil {
		if m, err := s.include.MatchesOrParentMatches(below); err != nil || !m {
			return false
		}
	}
	if s.exclude != nil {
		if m, err := s.exclude.MatchesOrParentMatches(below); err == nil && m {
			return false
		}
	}
	return true
}

// below gives what of p is below the source.
func (s *Source) below(p string) (string, bool) {
	if s.Path == "." {
		return p, true
	}
	top := s.Path
	if s.wild {
		depth := strings.Count(s.Path, "/") + 1
		parts := strings.SplitN(p, "/", depth+1)
		if len(parts) < depth {
			return "", false
		}
		top = strings.Join(parts[:depth], "/")
		if m, err := path.Match(s.Path, top); err != nil || !m {
			return "", false
		}
	}
	if p != top && !strings.HasPrefix(p, top+"/") {
		return "", false
	}
	return strings.TrimPrefix(strings.TrimPrefix(p, top), "/"), true
}

// top says whether p is what the source itself names.
func (s *Source) top(p string) bool {
	below, ok := s.below(p)
	return ok && below == "" && !s.All
}

// maxLinks ends the resolution of links that lead in a circle.
const maxLinks = 40

// Followed gives the sources with those added to which links lead: BuildKit follows the links on the way to a source,
// and a source that is one; not those below it. links are the context's.
func Followed(sources []Source, links map[string]string) []Source {
	out := sources
	for _, r := range sources {
		if r.All {
			continue
		}
		todo := []Source{r}
		for hops := 0; len(todo) > 0 && hops < maxLinks; hops++ {
			next := todo[0]
			todo = todo[1:]
			for link, target := range links {
				if moved, ok := next.through(link, target); ok {
					out = append(out, Source{Context: r.Context, Path: link}, moved)
					todo = append(todo, moved)
				}
			}
		}
	}
	return out
}

// through gives the source that s is where the link leads, if s passes the link.
func (s *Source) through(link, target string) (Source, bool) {
	if !path.IsAbs(target) {
		target = path.Join(path.Dir(link), target)
	}
	moved := *s
	switch {
	case s.top(link) && s.wild:
		moved.Path, moved.wild = clean(target), false
	case !s.wild && s.Path == link:
		moved.Path = clean(target)
	case strings.HasPrefix(s.Path, link+"/") && !strings.ContainsAny(link, `*?[\`):
		moved.Path = clean(target + strings.TrimPrefix(s.Path, link))
	default:
		return Source{}, false
	}
	return moved, moved.Path != s.Path
}
