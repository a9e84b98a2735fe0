package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// cause is a change that makes a step run. Changes with the same key are one, told once.
type cause struct {
	key, why string
	detail   []string
}

// lineChange is an instruction that changed.
type lineChange struct {
	stage *stage
	text  string
	line  int
	step  bool
	gone  bool
	cause cause
}

// comparison is two records and their plans.
type comparison struct {
	before, after *Record
	old, new      *plan
	a             alignment
	causes        map[*node][]cause
}

// compare finds what changed for each step, and the lines of the Dockerfile that did.
func compare(before, after *Record, old, new *plan) (map[*node][]cause, []lineChange) {
	c := comparison{before: before, after: after, old: old, new: new, a: align(old, new), causes: map[*node][]cause{}}
	for _, n := range new.nodes {
		var was *node
		if n.in != nil && c.a.old[n.in] != nil {
			was = c.a.old[n.in].node
		}
		switch n.kind {
		case end:
			for _, o := range c.a.gone[n.stage] {
				if o.node != nil {
					c.put(n, c.removedLine(o))
				}
			}
		case from:
			c.put(n, c.base(n, was)...)
		default:
			c.put(n, c.line(n)...)
			if was != nil && was.kind == n.kind {
				c.put(n, c.values(n, was)...)
				c.put(n, c.files(n, was)...)
				c.put(n, c.moved(n, was)...)
			}
		}
	}
	return c.causes, c.changedLines()
}

func (c *comparison) put(n *node, causes ...cause) {
	for _, x := range causes {
		if !slices.ContainsFunc(c.causes[n], func(y cause) bool { return y.key == x.key }) {
			c.causes[n] = append(c.causes[n], x)
		}
	}
}

// line says that the step's own instruction is new or another, or that steps before it are gone.
func (c *comparison) line(n *node) []cause {
	var out []cause
	for _, o := range c.a.removed[n.in] {
		if o.node != nil {
			out = append(out, c.removedLine(o))
		}
	}
	switch {
	case c.a.same[n.in]:
	case c.a.stages[n.stage] == nil && c.before.Target != c.after.Target:
		out = append(out, c.retargeted())
	default:
		out = append(out, c.instruction(n.in))
	}
	return out
}

func (c *comparison) retargeted() cause {
	if c.before.Target == c.after.Target {
		return cause{key: "target", why: "the last build did not need it"}
	}
	return cause{key: "target", why: targetChanged(c.before, c.after)}
}

func targetChanged(before, after *Record) string {
	return fmt.Sprintf("target changed from %s to %s", stageName(before.Target), stageName(after.Target))
}

func stageName(target string) string {
	if target == "" {
		return "the last stage"
	}
	return fmt.Sprintf("%q", target)
}

// instruction says how a line of the Dockerfile changed.
func (c *comparison) instruction(in *instruction) cause {
	was := c.a.old[in]
	if was == nil {
		return cause{key: fmt.Sprint("line ", in.line), why: fmt.Sprintf("line %d is new", in.line), detail: c.new.text("+ ", in.line, in.last)}
	}
	return cause{
		key: fmt.Sprint("line ", in.line), why: fmt.Sprintf("line %d changed", in.line),
		detail: difference(c.old.lines[was.line-1:min(was.last, len(c.old.lines))], c.new.lines[in.line-1:min(in.last, len(c.new.lines))]),
	}
}

func (c *comparison) removedLine(o *instruction) cause {
	return cause{
		key: fmt.Sprint("removed ", o.line), why: fmt.Sprintf("line %d of the last build's Dockerfile is gone", o.line),
		detail: c.old.text("- ", o.line, o.last),
	}
}

// text gives lines of the Dockerfile for people.
func (p *plan) text(prefix string, first, last int) []string {
	return capped(prefixed(prefix, p.lines[first-1:min(last, len(p.lines))]), maxLines)
}

const maxLines = 6

func prefixed(prefix string, lines []string) []string {
	var out []string
	for _, l := range lines {
		out = append(out, shorten(prefix+masked(strings.TrimSpace(strings.TrimRight(l, "\r"))), 2*labelLength))
	}
	return out
}

func capped(lines []string, most int) []string {
	if len(lines) <= most+1 {
		return lines
	}
	return append(lines[:most:most], fmt.Sprintf("… and %d more", len(lines)-most))
}

// difference shows the lines in which two instructions differ.
func difference(old, new []string) []string {
	first := 0
	for first < len(old) && first < len(new) && old[first] == new[first] {
		first++
	}
	last := 0
	for last < len(old)-first && last < len(new)-first && old[len(old)-1-last] == new[len(new)-1-last] {
		last++
	}
	return append(capped(prefixed("- ", old[first:len(old)-last]), maxLines), capped(prefixed("+ ", new[first:len(new)-last]), maxLines)...)
}

// values compares the variables, user, shell and options that a step sees.
func (c *comparison) values(n, was *node) []cause {
	var out []cause
	names := n.uses
	if n.kind == run {
		names = map[string]bool{}
		for _, vars := range []map[string]variable{n.vars, was.vars} {
			for name := range vars {
				names[name] = true
			}
		}
		out = append(out, c.options()...)
	}
	out = append(out, c.variables(names, n.vars, was.vars)...)
	for _, s := range [][2]setting{{was.user, n.user}, {was.shell, n.shell}} {
		if s[0].value != s[1].value {
			out = append(out, c.setter(s[1].at, s[0].at))
		}
	}
	if len(out) == 0 && n.expanded != was.expanded && c.a.same[n.in] {
		out = append(out, cause{key: "expanded " + n.expanded, why: "its arguments changed", detail: []string{"- " + was.expanded, "+ " + n.expanded}})
	}
	return out
}

// setter says which line gave something another value. Either may be nil.
func (c *comparison) setter(now, then *instruction) cause {
	switch {
	case now != nil:
		return c.instruction(now)
	default:
		return c.removedLine(then)
	}
}

// variables gives the causes of other values of the named variables.
func (c *comparison) variables(names map[string]bool, now, then map[string]variable) []cause {
	var out []cause
	for _, name := range slices.Sorted(maps.Keys(names)) {
		for _, x := range c.variable(name, now, then, map[string]bool{}) {
			if !slices.ContainsFunc(out, func(y cause) bool { return x.key == y.key }) {
				out = append(out, x)
			}
		}
	}
	return out
}

// variable gives the causes of another value of one variable; of one whose line has not changed, those of what it is made
// from.
func (c *comparison) variable(name string, now, then map[string]variable, seen map[string]bool) []cause {
	a, hasNow := now[name]
	b, hadThen := then[name]
	if seen[name] || hasNow == hadThen && a.value == b.value {
		return nil
	}
	seen[name] = true
	switch {
	case (a.arg || b.arg) && c.argChanged(name):
		return []cause{c.argument(name)}
	case a.at != nil && c.a.same[a.at]:
		if strings.HasPrefix(name, "TARGET") && c.before.Platform != c.after.Platform {
			return []cause{c.platform()}
		}
		var out []cause
		for _, used := range slices.Sorted(maps.Keys(a.uses)) {
			out = append(out, c.variable(used, now, then, seen)...)
		}
		return out
	case a.at != nil || b.at != nil:
		return []cause{c.setter(a.at, b.at)}
	default:
		return nil
	}
}

func (c *comparison) argChanged(name string) bool {
	a, now := c.after.Args[name]
	b, then := c.before.Args[name]
	return now != then || a != b
}

func (c *comparison) argument(name string) cause {
	a, now := c.after.Args[name]
	b, then := c.before.Args[name]
	out := cause{key: "arg " + name}
	switch {
	case secret.MatchString(name), then && now && fault.Redact(a) == fault.Redact(b):
		out.why = fmt.Sprintf("build argument %s changed", name)
	case !then:
		out.why = fmt.Sprintf("build argument %s is now given: %q", name, a)
	case !now:
		out.why = fmt.Sprintf("build argument %s is no longer given (was %q)", name, b)
	default:
		out.why = fmt.Sprintf("build argument %s changed from %q to %q", name, b, a)
	}
	return out
}

func (c *comparison) platform() cause {
	return cause{key: "platform", why: fmt.Sprintf("platform changed from %s to %s", platformName(c.before.Platform), platformName(c.after.Platform))}
}

func platformName(p string) string {
	if p == "" {
		return "the builder's"
	}
	return p
}

func (c *comparison) options() []cause {
	var out []cause
	names := maps.Clone(c.after.Options)
	if names == nil {
		names = map[string]string{}
	}
	maps.Copy(names, c.before.Options)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if a, b := c.after.Options[name], c.before.Options[name]; a != b {
			out = append(out, cause{key: "option " + name, why: fmt.Sprintf("build option %s changed from %q to %q", name, b, a)})
		}
	}
	return out
}

// changedLines lists the instructions that changed and are no steps, and the steps that are gone with nothing after them.
func (c *comparison) changedLines() []lineChange {
	var out []lineChange
	for _, s := range c.new.stages {
		if c.a.stages[s] == nil {
			continue
		}
		for _, in := range s.instructions {
			for _, o := range c.a.removed[in] {
				out = append(out, lineChange{s, masked(o.short), in.line, o.node != nil, true, c.removedLine(o)})
			}
			if !c.a.same[in] && in.keyword != string(from) {
				out = append(out, lineChange{s, masked(in.short), in.line, in.node != nil, false, c.instruction(in)})
			}
		}
		for _, o := range c.a.gone[s] {
			out = append(out, lineChange{s, masked(o.short), lastOf(s.instructions).line, o.node != nil, true, c.removedLine(o)})
		}
	}
	return out
}
