package explain

import (
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// kind is what a node of a plan does: a Dockerfile's keyword, or the end of a stage, which is what others copy from.
type kind string

const (
	from    kind = "FROM"
	run     kind = "RUN"
	copying kind = "COPY"
	add     kind = "ADD"
	workdir kind = "WORKDIR"
	end     kind = "end"
)

// plan is a Dockerfile as far as it says which step depends on what. It follows BuildKit's dockerfile2llb, without a registry:
// what a base image sets is not known.
type plan struct {
	global  []*instruction // ARG before the first FROM
	stages  []*stage
	nodes   []*node // of the stages that the target needs, in the Dockerfile's order
	reached map[*stage]bool
	lines   []string // of the text
}

type stage struct {
	index        int
	name         string // as BuildKit shows it
	instructions []*instruction
	nodes        []*node
	total        int // steps, as BuildKit counts them
	onto         *stage
	reads        []*stage // the others that it takes from

	vars  map[string]variable
	user  setting
	shell setting
}

// instruction is one instruction of the Dockerfile.
type instruction struct {
	line, last int
	keyword    string
	text       string // what makes it the same instruction
	full       string // all of it on one line
	short      string // for people
	node       *node  // nil for one that is no step
}

// node is a step, or the beginning or end of a stage.
type node struct {
	stage    *stage
	kind     kind
	line     int
	in       *instruction
	index    int                 // among the stage's steps, as BuildKit numbers them; 0 for what is none
	shown    []string            // how BuildKit may show it: with variables filled in, and without
	expanded string              // its arguments with variables filled in
	uses     map[string]bool     // the variables in them
	unknown  bool                // some were not known
	vars     map[string]variable // what it sees: for a RUN all of them
	user     setting
	shell    setting
	reads    []read
	image    string   // the reference that a FROM or --from names
	remote   []string // what an ADD fetches
	deps     []*node
}

// variable is the value of an ARG or ENV.
type variable struct {
	value string
	at    *instruction
	arg   bool            // the caller's argument
	uses  map[string]bool // the variables that it is made from
}

// setting is what USER or SHELL says.
type setting struct {
	value string
	at    *instruction
}

// parse reads a Dockerfile for a target, with the arguments of a build.
func parse(text string, args map[string]string, target, platform string) (*plan, error) {
	ast, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parsing the Dockerfile: %w", err)
	}
	stages, meta, err := instructions.Parse(ast.AST, nil)
	if err != nil {
		return nil, fmt.Errorf("parsing the Dockerfile: %w", err)
	}
	p := &plan{reached: map[*stage]bool{}, lines: strings.Split(text, "\n")}
	r := reader{plan: p, args: args, lex: shell.NewLex(ast.EscapeToken), global: platformArgs(platform), named: map[string]*stage{}}
	for i := range meta {
		in := newInstruction(&meta[i], meta[i].String())
		p.global = append(p.global, in)
		r.arg(&meta[i], in, r.global, r.global)
	}
	for i, s := range stages {
		p.stages = append(p.stages, r.stage(i, s))
	}
	if len(p.stages) == 1 && !r.others {
		p.stages[0].name = ""
	}
	if err := p.reach(target, r.named); err != nil {
		return nil, err
	}
	return p, nil
}

// platformArgs are the arguments that BuildKit sets itself, as far as the caller said the platform. Those of the builder stay
// unknown.
func platformArgs(platform string) map[string]variable {
	vars := map[string]variable{}
	if platform == "" || strings.Contains(platform, ",") {
		return vars
	}
	parts := append(strings.Split(platform, "/"), "", "", "")
	for name, v := range map[string]string{"TARGETPLATFORM": platform, "TARGETOS": parts[0], "TARGETARCH": parts[1], "TARGETVARIANT": parts[2]} {
		vars[name] = variable{value: v}
	}
	return vars
}

// reach finds the stages that the target needs, and lists their nodes.
func (p *plan) reach(target string, named map[string]*stage) error {
	last := p.stages[len(p.stages)-1]
	if target != "" {
		if last = named[strings.ToLower(target)]; last == nil {
			if i, err := strconv.Atoi(target); err == nil && i >= 0 && i < len(p.stages) {
				last = p.stages[i]
			}
		}
		if last == nil {
			return fmt.Errorf("the Dockerfile has no stage %q", target)
		}
	}
	var visit func(*stage)
	visit = func(s *stage) {
		if s == nil || p.reached[s] {
			return
		}
		p.reached[s] = true
		visit(s.onto)
		for _, r := range s.reads {
			visit(r)
		}
	}
	visit(last)
	for _, s := range p.stages {
		if p.reached[s] {
			p.nodes = append(p.nodes, s.nodes...)
		}
	}
	return nil
}

// reader turns what BuildKit's parser gives into a plan.
type reader struct {
	plan   *plan
	args   map[string]string
	lex    *shell.Lex
	global map[string]variable
	named  map[string]*stage
	others bool // a step takes from something outside: BuildKit then counts more than one stage
}

func newInstruction(c instructions.Command, original string) *instruction {
	line, last := lineRange(c.Location())
	in := &instruction{line: line, last: last, keyword: strings.ToUpper(c.Name())}
	_, rest, _ := strings.Cut(strings.TrimSpace(original), " ")
	// The text of a RUN goes to its shell as it is; elsewhere white space parts words.
	in.text = in.keyword + " " + rest
	in.full = strings.Join(strings.Fields(in.text), " ")
	in.short = in.full
	if in.keyword != string(run) {
		in.text = in.short
		return in
	}
	// Mounts would leave no room for what is run.
	words := strings.Fields(in.text)[1:]
	for len(words) > 1 && strings.HasPrefix(words[0], "--") {
		words = words[1:]
	}
	in.short = strings.Join(append([]string{in.keyword}, words...), " ")
	return in
}

func lineRange(at []parser.Range) (first, last int) {
	for _, r := range at {
		if first == 0 || r.Start.Line < first {
			first = r.Start.Line
		}
		last = max(last, r.End.Line)
	}
	return first, last
}

// stage reads one stage.
func (r *reader) stage(i int, s instructions.Stage) *stage {
	st := &stage{index: i, name: s.Name, vars: map[string]variable{}}
	if s.Name == "" {
		st.name = fmt.Sprintf("stage-%d", i)
	}
	first, last := lineRange(s.Location)
	in := &instruction{line: first, last: last, keyword: string(from), text: strings.Join(strings.Fields(s.SourceCode), " ")}
	in.short = in.text
	n := &node{stage: st, kind: from, line: first, in: in, uses: map[string]bool{}, vars: r.global}
	in.node = n
	base, platform := r.expand(n, s.BaseName, r.global), r.expand(n, s.Platform, r.global)
	n.expanded = strings.TrimSpace(base + " " + platform)
	if st.onto = r.named[base]; st.onto != nil {
		n.deps = []*node{st.onto.end()}
		for k, v := range st.onto.vars {
			st.vars[k] = v
		}
		st.user, st.shell = st.onto.user, st.onto.shell
		n.expanded = ""
	} else {
		n.image = base
		n.reads = []read{{tree: strings.ToLower(base), all: true}} // where it is the name of a context
	}
	st.instructions, st.nodes = []*instruction{in}, []*node{n}
	if n.real() {
		n.index, st.total = 1, 1
	}
	for _, c := range s.Commands {
		r.command(st, c)
	}
	st.nodes = append(st.nodes, &node{stage: st, kind: end, line: lastOf(st.instructions).line, deps: []*node{lastOf(st.nodes)}})
	if s.Name != "" {
		r.named[strings.ToLower(s.Name)] = st
	}
	return st
}

func lastOf[T any](list []T) T { return list[len(list)-1] }

func (s *stage) end() *node { return lastOf(s.nodes) }

// real says whether BuildKit shows the node as a step.
func (n *node) real() bool {
	switch n.kind {
	case end:
		return false
	case from:
		return n.image != "" && n.image != "scratch"
	case workdir:
		return path.Clean(n.expanded) != "/" // BuildKit makes no step of it
	default:
		return true
	}
}

// label is the step as BuildKit shows it, with the Dockerfile's text.
func (n *node) label() string {
	if n.in == nil {
		return ""
	}
	text := shorten(masked(n.in.short), labelLength)
	if n.index == 0 {
		return text
	}
	name := ""
	if n.stage.name != "" {
		name = n.stage.name + " "
	}
	width := int(1 + math.Log10(float64(n.stage.total)))
	return fmt.Sprintf("[%s%*d/%d] %s", name, width, n.index, n.stage.total, text)
}

const labelLength = 80

func shorten(s string, to int) string {
	runes := []rune(s)
	if len(runes) <= to {
		return s
	}
	return string(runes[:to-1]) + "…"
}
