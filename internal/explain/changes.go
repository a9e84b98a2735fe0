package explain

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
)

// base says that a stage begins on something else.
func (c *comparison) base(n, was *dockerfile.Node) []cause {
	if was == nil {
		if c.a.stages[n.Stage] == nil {
			if c.before.Target != c.after.Target {
				return []cause{c.retargeted()}
			}
			return []cause{c.instruction(n.Instruction)}
		}
		return []cause{c.instruction(n.Instruction)}
	}
	var out []cause
	if !c.old.Reached[was.Stage] {
		out = append(out, c.retargeted())
	}
	onto, wasOnto := n.Stage.Onto, was.Stage.Onto
	switch {
	case (onto == nil) != (wasOnto == nil), onto != nil && c.a.stages[onto] != wasOnto, n.Expanded != was.Expanded:
		if by := c.variables(n.Uses, n.Vars, was.Vars); len(by) > 0 && c.a.same[n.Instruction] {
			out = append(out, by...)
		} else if c.a.same[n.Instruction] {
			out = append(out,
				cause{
					key: "base " + n.Expanded,
					why: fmt.Sprintf("base changed from %s to %s", was.Expanded, n.Expanded),
				})
		} else {
			out = append(out, c.instruction(n.Instruction))
		}
	case n.Image != "":
		out = append(out, c.baseMoved(n, was)...)
		out = append(out, c.files(n, was)...)
	}
	if onto == nil && n.IsStep() && c.before.Platform != c.after.Platform {
		out = append(out, c.platform())
	}
	return out
}

// baseMoved says that an image's tag names another digest, or that a named context is another.
func (c *comparison) baseMoved(n, was *dockerfile.Node) []cause {
	if n.Image == "" || n.Image != was.Image {
		return nil
	}
	tree := strings.ToLower(n.Image)
	if a, b := c.after.Trees[tree].Address, c.before.Trees[tree].Address; a != b {
		return []cause{{key: "context " + tree, why: fmt.Sprintf("context %q changed from %q to %q", n.Image, b, a)}}
	}
	full, name := dockerfile.FullReference(n.Image)
	a, b := c.after.Bases[full], c.before.Bases[full]
	if a == "" || b == "" || a == b {
		return nil
	}
	return []cause{{
		key: "base " + full,
		why: fmt.Sprintf("base %s moved from %s to %s", name, shortDigest(b), shortDigest(a)),
	}}
}

func shortDigest(digest string) string {
	algorithm, hex, ok := strings.Cut(digest, ":")
	if !ok {
		return shorten(digest, 20)
	}
	return algorithm + ":" + hex[:min(len(hex), 12)]
}

// files compares what a step takes from its contexts.
func (c *comparison) files(n, was *dockerfile.Node) []cause {
	if !slices.EqualFunc(n.Sources, was.Sources,
		func(a, b dockerfile.Source) bool { return a.Context == b.Context && a.Path == b.Path && a.All == b.All }) {
		return nil // the line or a variable says so
	}
	byTree := map[string][]dockerfile.Source{}
	var trees []string
	for _, r := range n.Sources {
		tree := strings.ToLower(r.Context)
		if byTree[tree] == nil {
			trees = append(trees, tree)
		}
		byTree[tree] = append(byTree[tree], r)
	}
	var out []cause
	for _, tree := range trees {
		reads := byTree[tree]
		d := differ{
			now: filesTaken(c.after, tree, reads), then: filesTaken(c.before, tree, reads),
			before: c.before.Trees[tree],
			after:  c.after.Trees[tree],
		}
		if x, ok := d.cause(tree); ok {
			if slices.ContainsFunc(reads, func(r dockerfile.Source) bool { return r.Unsure }) {
				x.why += " (a variable in its path comes from the base: it may copy that)"
			}
			out = append(out, x)
		}
	}
	return out
}

// filesTaken gives the files of a record that these sources take.
func filesTaken(r *buildinputs.Record, tree string, reads []dockerfile.Source) map[string]buildinputs.File {
	all := r.ContextFiles(tree, r.Trees[tree].Dir)
	links := map[string]string{}
	for p, f := range all {
		if f.Link != "" {
			links[p] = f.Link
		}
	}
	reads = dockerfile.Followed(reads, links)
	out := map[string]buildinputs.File{}
	for p, f := range all {
		if slices.ContainsFunc(reads, func(x dockerfile.Source) bool { return x.Matches(p) }) {
			out[p] = f
		}
	}
	return out
}

// differ compares the files that one step took in two builds.
type differ struct {
	now, then     map[string]buildinputs.File
	before, after buildinputs.Files
	lines         []string // "changed a/b"
	paths         []string
	ignored       bool // the ignore file took part
}

const maxFiles = 10

// cause gives the cause for which the step's files make it run again; false where none differs.
func (d *differ) cause(tree string) (cause, bool) {
	d.renamed()
	for p, f := range d.now {
		old, was := d.then[p]
		switch {
		case !was && d.newlyIgnored(p, d.before.Patterns, d.after.Patterns):
			d.addLine(p, "no longer left out: %s", p)
		case !was:
			d.addLine(p, "added %s", p)
		case old.Mode.IsDir() && f.Mode.IsDir(): // its mode is nothing to BuildKit: the integration test shows that
		case old.Mode != f.Mode:
			d.addLine(p, "mode of %s: %s, was %s", p, f.Mode, old.Mode)
		case f.Mode.IsRegular() && buildinputs.ContentDiffers(old, f), f.Link != old.Link:
			d.addLine(p, "changed %s", p)
		}
	}
	for p := range d.then {
		if _, is := d.now[p]; is {
			continue
		}
		if d.newlyIgnored(p, d.after.Patterns, d.before.Patterns) {
			d.addLine(p, "left out now: %s", p)
		} else {
			d.addLine(p, "removed %s", p)
		}
	}
	if len(d.lines) == 0 {
		return cause{}, false
	}
	d.withoutParents()
	slices.SortFunc(d.lines, func(a, b string) int { return strings.Compare(pathOf(a), pathOf(b)) })
	return cause{key: "files " + tree + "\x00" + strings.Join(d.lines, "\x00"), why: d.why(tree), detail: d.detail()},
		true
}

// newlyIgnored says whether the first of two lists of patterns leaves p out and the second does not.
func (d *differ) newlyIgnored(p string, out, in []string) bool {
	if slices.Equal(out, in) {
		return false
	}
	left := ignores(out, p) && !ignores(in, p)
	d.ignored = d.ignored || left
	return left
}

func ignores(patterns []string, p string) bool {
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return false
	}
	matched, err := m.MatchesOrParentMatches(p)
	return err == nil && matched
}

func (d *differ) addLine(p, format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
	d.paths = append(d.paths, p)
}

// pathOf is the path at the end of a line, by which lines are sorted.
func pathOf(line string) string {
	_, p, _ := strings.Cut(line, " ")
	return p
}

// renamed tells files of the same content under another name, where no other has it.
func (d *differ) renamed() {
	gone := map[string][]string{}
	for p, f := range d.then {
		if _, is := d.now[p]; !is && f.SHA256 != "" && f.Size > 0 {
			gone[f.SHA256] = append(gone[f.SHA256], p)
		}
	}
	var fresh []string
	for p, f := range d.now {
		if _, was := d.then[p]; !was && len(gone[f.SHA256]) == 1 {
			fresh = append(fresh, p)
		}
	}
	slices.Sort(fresh)
	for _, p := range fresh {
		f := d.now[p]
		if len(gone[f.SHA256]) != 1 || d.now[p].Mode != d.then[gone[f.SHA256][0]].Mode {
			continue
		}
		from := gone[f.SHA256][0]
		if ignores(d.before.Patterns, p) || ignores(d.after.Patterns, from) {
			continue
		}
		delete(gone, f.SHA256)
		d.addLine(p, "renamed %s to %s", from, p)
		delete(d.now, p)
		delete(d.then, from)
	}
}

// withoutParents drops the directories below which a file is named too.
func (d *differ) withoutParents() {
	above := map[string]bool{}
	for _, p := range d.paths {
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			above[dir] = true
		}
	}
	var lines, paths []string
	for i, p := range d.paths {
		if above[p] && !strings.HasPrefix(d.lines[i], "mode of ") {
			continue
		}
		lines, paths = append(lines, d.lines[i]), append(paths, p)
	}
	d.lines, d.paths = lines, paths
}

// why names the one file that differs, or says how many files do and below which directory.
func (d *differ) why(tree string) string {
	var why string
	if len(d.lines) == 1 {
		why = sentence(d.lines[0])
	} else {
		why = fmt.Sprintf("%d files changed", len(d.lines))
		if dir := commonDir(d.paths); dir != "." {
			why += " below " + dir
		}
	}
	if d.ignored {
		name := path.Base(strings.ReplaceAll(d.after.IgnoreFile, `\`, "/"))
		if d.after.IgnoreFile == "" {
			name = ".dockerignore"
		}
		why = name + " changed: " + why
	}
	if tree != "" {
		why += fmt.Sprintf(" (context %q)", tree)
	}
	return why
}

// sentence puts the path first: "a/b changed".
func sentence(line string) string {
	verb, p, _ := strings.Cut(line, " ")
	switch verb {
	case "changed":
		return p + " changed"
	case "added", "removed":
		return p + " was " + verb
	case "renamed":
		from, to, _ := strings.Cut(p, " to ")
		return from + " was renamed to " + to
	default:
		return line
	}
}

func commonDir(paths []string) string {
	dir := path.Dir(paths[0])
	for _, p := range paths[1:] {
		for dir != "." && !strings.HasPrefix(p, dir+"/") {
			dir = path.Dir(dir)
		}
	}
	return dir
}

// detail lists the files where there are several.
func (d *differ) detail() []string {
	if len(d.lines) == 1 {
		return nil
	}
	return capped(d.lines, maxFiles)
}
