package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/secret"
)

// cause is a change that makes a step run. Changes with the same key are one, told once.
type cause struct {
	key, why string
	detail   []string
}

// lineChange is an instruction that changed.
type lineChange struct {
	stage *dockerfile.Stage
	text  string
	line  int
	step  bool
	gone  bool
	cause cause
}

// comparison is two records and their plans.
type comparison struct {
	before, after *buildinputs.Record
	old, new      *dockerfile.Plan
	a             alignment
	causes        map[*dockerfile.Node][]cause
}

// compare finds what changed for each step, and the lines of the Dockerfile that did.
func compare(
	before, after *buildinputs.Record, old, new *dockerfile.Plan,
) (map[*dockerfile.Node][]cause, []lineChange) {
	c := comparison{
		before: before, after: after, old: old, new: new, a: align(old, new),
		causes: map[*dockerfile.Node][]cause{},
	}
	for _, n := range new.Nodes {
		var was *dockerfile.Node
		if n.Instruction != nil && c.a.old[n.Instruction] != nil {
			was = c.a.old[n.Instruction].Node
		}
		switch n.Kind {
		case dockerfile.End:
			for _, o := range c.a.gone[n.Stage] {
				if o.Node != nil {
					c.put(n, c.removedLine(o))
				}
			}
		case dockerfile.From:
			c.put(n, c.base(n, was)...)
		default:
			c.put(n, c.line(n)...)
			if was != nil && was.Kind == n.Kind {
				c.put(n, c.values(n, was)...)
				c.put(n, c.files(n, was)...)
				c.put(n, c.baseMoved(n, was)...)
			}
		}
	}
	return c.causes, c.changedLines()
}

func (c *comparison) put(n *dockerfile.Node, causes ...cause) {
	for _, x := range causes {
		if !slices.ContainsFunc(c.causes[n], func(y cause) bool { return y.key == x.key }) {
			c.causes[n] = append(c.causes[n], x)
		}
	}
}

// line says that the step's own instruction is new or another, or that steps before it are gone.
func (c *comparison) line(n *dockerfile.Node) []cause {
	var out []cause
	for _, o := range c.a.removed[n.Instruction] {
		if o.Node != nil {
			out = append(out, c.removedLine(o))
		}
	}
	switch {
	case c.a.same[n.Instruction]:
	case c.a.stages[n.Stage] == nil && c.before.Target != c.after.Target:
		out = append(out, c.retargeted())
	default:
		out = append(out, c.instruction(n.Instruction))
	}
	return out
}

func (c *comparison) retargeted() cause {
	if c.before.Target == c.after.Target {
		return cause{key: "target", why: "the last build did not need it"}
	}
	return cause{key: "target", why: targetChanged(c.before, c.after)}
}

func targetChanged(before, after *buildinputs.Record) string {
	return fmt.Sprintf("target changed from %s to %s", stageName(before.Target), stageName(after.Target))
}

func stageName(target string) string {
	if target == "" {
		return "the last stage"
	}
	return fmt.Sprintf("%q", target)
}

// instruction says how a line of the Dockerfile changed.
func (c *comparison) instruction(in *dockerfile.Instruction) cause {
	was := c.a.old[in]
	if was == nil {
		return cause{
			key: fmt.Sprint("line ", in.Line), why: fmt.Sprintf("line %d is new", in.Line),
			detail: lines(c.new, "+ ", in.Line, in.Last),
		}
	}
	return cause{
		key: fmt.Sprint("line ", in.Line), why: fmt.Sprintf("line %d changed", in.Line),
		detail: difference(c.old.Lines[was.Line-1:min(was.Last, len(c.old.Lines))],
			c.new.Lines[in.Line-1:min(in.Last, len(c.new.Lines))]),
	}
}

func (c *comparison) removedLine(o *dockerfile.Instruction) cause {
	return cause{
		key: fmt.Sprint("removed ", o.Line), why: fmt.Sprintf("line %d of the last build's Dockerfile is gone", o.Line),
		detail: lines(c.old, "- ", o.Line, o.Last),
	}
}

// lines gives lines of the Dockerfile for people.
func lines(p *dockerfile.Plan, prefix string, first, last int) []string {
	return capped(prefixed(prefix, p.Lines[first-1:min(last, len(p.Lines))]), maxLines)
}

const maxLines = 6

func prefixed(prefix string, lines []string) []string {
	var out []string
	for _, l := range lines {
		out = append(out, shorten(prefix+secret.Masked(strings.TrimSpace(strings.TrimRight(l, "\r"))), 2*labelLength))
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
	return append(capped(prefixed("- ", old[first:len(old)-last]), maxLines),
		capped(prefixed("+ ", new[first:len(new)-last]), maxLines)...)
}

// values compares the variables, user, shell and options that a step sees.
func (c *comparison) values(n, was *dockerfile.Node) []cause {
	var out []cause
	names := n.Uses
	if n.Kind == dockerfile.Run {
		names = map[string]bool{}
		for _, vars := range []map[string]dockerfile.Variable{n.Vars, was.Vars} {
			for name := range vars {
				names[name] = true
			}
		}
		out = append(out, c.options()...)
	}
	out = append(out, c.variables(names, n.Vars, was.Vars)...)
	for _, s := range [][2]dockerfile.Setting{{was.User, n.User}, {was.Shell, n.Shell}} {
		if s[0].Value != s[1].Value {
			out = append(out, c.setter(s[1].At, s[0].At))
		}
	}
	if len(out) == 0 && n.Expanded != was.Expanded && c.a.same[n.Instruction] {
		out = append(out,
			cause{
				key: "expanded " + n.Expanded, why: "its arguments changed",
				detail: []string{"- " + was.Expanded, "+ " + n.Expanded},
			})
	}
	return out
}

// setter says which line gave a variable or a setting another value: the one that sets it now, or the one that did
// before. Either may be nil.
func (c *comparison) setter(now, then *dockerfile.Instruction) cause {
	switch {
	case now != nil:
		return c.instruction(now)
	default:
		return c.removedLine(then)
	}
}

// variables gives the causes of other values of the named variables.
func (c *comparison) variables(names map[string]bool, now, then map[string]dockerfile.Variable) []cause {
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

// variable gives the causes of another value of one variable; of one whose line has not changed, those of what it is
// made from.
func (c *comparison) variable(name string, now, then map[string]dockerfile.Variable, seen map[string]bool) []cause {
	a, hasNow := now[name]
	b, hadThen := then[name]
	if seen[name] || hasNow == hadThen && a.Value == b.Value {
		return nil
	}
	seen[name] = true
	switch {
	case (a.CallerArg || b.CallerArg) && c.argChanged(name):
		return []cause{c.argument(name)}
	case a.At != nil && c.a.same[a.At]:
		if strings.HasPrefix(name, "TARGET") && c.before.Platform != c.after.Platform {
			return []cause{c.platform()}
		}
		var out []cause
		for _, used := range slices.Sorted(maps.Keys(a.Uses)) {
			out = append(out, c.variable(used, now, then, seen)...)
		}
		return out
	case a.At != nil || b.At != nil:
		return []cause{c.setter(a.At, b.At)}
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
	case buildinputs.IsSecret(name), then && now && fault.Redact(a) == fault.Redact(b):
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
	return cause{
		key: "platform",
		why: fmt.Sprintf("platform changed from %s to %s", platformName(c.before.Platform),
			platformName(c.after.Platform)),
	}
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
			out = append(out,
				cause{key: "option " + name, why: fmt.Sprintf("build option %s changed from %q to %q", name, b, a)})
		}
	}
	return out
}

// changedLines lists the instructions that changed and are no steps, and the steps that are gone with nothing after
// them.
func (c *comparison) changedLines() []lineChange {
	var out []lineChange
	for _, s := range c.new.Stages {
		if c.a.stages[s] == nil {
			continue
		}
		for _, in := range s.Instructions {
			for _, o := range c.a.removed[in] {
				out = append(out, lineChange{s, secret.Masked(o.Short), in.Line, o.Node != nil, true, c.removedLine(o)})
			}
			if !c.a.same[in] && in.Keyword != string(dockerfile.From) {
				out = append(out,
					lineChange{s, secret.Masked(in.Short), in.Line, in.Node != nil, false, c.instruction(in)})
			}
		}
		for _, o := range c.a.gone[s] {
			out = append(out,
				lineChange{
					s, secret.Masked(o.Short), s.Instructions[len(s.Instructions)-1].Line, o.Node != nil, true,
					c.removedLine(o),
				})
		}
	}
	return out
}
