// Package dockerfile owns what a Dockerfile starts from, copies and needs, told from its text alone: its stages and
// steps, the variables that they see, the paths of build contexts that they take, and the images outside of it. It
// follows BuildKit's dockerfile2llb without asking a registry: what a base image sets is not known. Which of its steps
// are stale only the builder knows.
package dockerfile

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// SyntaxArgument is the build argument that names the image of a frontend, as a Dockerfile's "# syntax" line does.
const SyntaxArgument = "BUILDKIT_SYNTAX"

// Kind is what a node of a plan does: a Dockerfile's keyword, or the end of a stage, which is what others copy from.
type Kind string

// The kinds of nodes.
const (
	From    Kind = "FROM"
	Run     Kind = "RUN"
	Copy    Kind = "COPY"
	Add     Kind = "ADD"
	Workdir Kind = "WORKDIR"
	End     Kind = "end"
)

// Options are what a build says beside the Dockerfile's text.
type Options struct {
	Args     map[string]string // build arguments
	Target   string            // the name or number of the stage that is built; "" for the last
	Platform string            // that is built for: "linux/arm64"; "" or several with commas leave TARGET… unknown
	Builder  string            // the builder's own platform; "" leaves BUILD… unknown
}

// Plan is a Dockerfile as far as it says which step depends on what.
type Plan struct {
	Global  []*Instruction // ARG before the first FROM
	Stages  []*Stage
	Nodes   []*Node // of the stages that the target needs, in the Dockerfile's order
	Reached map[*Stage]bool
	Lines   []string // of the text
}

// Stage is a FROM and the instructions that follow.
type Stage struct {
	Index        int
	Name         string // as BuildKit shows it
	Instructions []*Instruction
	Nodes        []*Node // the last is the stage's end
	Total        int     // steps, as BuildKit counts them
	Onto         *Stage  // that it starts from; nil for an image

	takesFrom []*Stage // the others that it copies or mounts from
	given     string   // the name that the Dockerfile gives it
	end       *Node
	vars      map[string]Variable
	user      Setting
	shell     Setting
}

// Given is the name that the Dockerfile gives the stage; "" for none.
func (s *Stage) Given() string { return s.given }

// Instruction is one instruction of the Dockerfile.
type Instruction struct {
	Line, Last int // the first and last of its lines, from 1
	Keyword    string
	Text       string // what makes it the same instruction
	Full       string // all of it on one line
	Short      string // for people
	Node       *Node  // nil for one that is no step
	Err        error  // a variable in it that can't be filled in, or a FROM of nothing; nil for none
}

// Node is a step, or the beginning or end of a stage.
type Node struct {
	Stage       *Stage
	Kind        Kind
	Line        int
	Instruction *Instruction        // nil for the end of a stage
	Index       int                 // among the stage's steps, as BuildKit numbers them; 0 for what is none
	Shown       []string            // how BuildKit may show it: with variables filled in, and without
	Expanded    string              // its arguments with variables filled in
	Uses        map[string]bool     // the variables in them
	Vars        map[string]Variable // what it sees: for a RUN all of them
	User        Setting
	Shell       Setting
	Sources     []Source // what it takes from build contexts
	Image       string   // the reference that a FROM names; of a COPY or RUN the last that is no stage
	Remote      []string // what an ADD fetches
	Deps        []*Node

	images  []string // the references of a COPY or RUN that are no stages
	unknown bool     // some of its variables were not known
}

// Variable is the value of an ARG or ENV.
type Variable struct {
	Value     string
	At        *Instruction
	CallerArg bool            // the caller's argument
	Uses      map[string]bool // the variables that it is made from
}

// Setting is what USER or SHELL says.
type Setting struct {
	Value string
	At    *Instruction
}

// Parse reads a Dockerfile for a target, with the arguments of a build.
func Parse(text string, o Options) (*Plan, error) {
	ast, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	stages, meta, err := instructions.Parse(ast.AST, nil)
	if err != nil {
		return nil, err
	}
	p := &Plan{Reached: map[*Stage]bool{}, Lines: strings.Split(text, "\n")}
	r := reader{
		plan: p, args: o.Args, lex: shell.NewLex(ast.EscapeToken), global: platformArgs(o),
		named: map[string]*Stage{},
	}
	for i := range meta {
		in := newInstruction(&meta[i], meta[i].String())
		p.Global = append(p.Global, in)
		in.Err = r.arg(&meta[i], in, r.global, r.global)
	}
	for i, s := range stages {
		p.Stages = append(p.Stages, r.stage(i, s))
	}
	// Only now are all stages known, which a COPY --from may name.
	for i, s := range stages {
		r.commands(p.Stages[i], s.Commands)
	}
	if len(p.Stages) == 1 && !r.others {
		p.Stages[0].Name = ""
	}
	return p, p.reach(o.Target, r.named)
}

// platformArgs are the arguments that BuildKit sets itself, as far as the caller said the platforms; build arguments
// of the same names win.
func platformArgs(o Options) map[string]Variable {
	vars := map[string]Variable{}
	for prefix, platform := range map[string]string{"TARGET": o.Platform, "BUILD": o.Builder} {
		if platform == "" || strings.Contains(platform, ",") {
			continue
		}
		parts := append(strings.SplitN(platform, "/", 3), "", "")
		for name, v := range map[string]string{
			"PLATFORM": platform, "OS": parts[0], "ARCH": parts[1],
			"VARIANT": parts[2],
		} {
			vars[prefix+name] = Variable{Value: v}
			if given, ok := o.Args[prefix+name]; ok {
				vars[prefix+name] = Variable{Value: given, CallerArg: true}
			}
		}
	}
	return vars
}

// reach finds the stages that the target needs, and lists their nodes.
func (p *Plan) reach(target string, named map[string]*Stage) error {
	last := p.Stages[len(p.Stages)-1]
	if target != "" {
		if last = p.stage(target, named); last == nil {
			return fmt.Errorf("the Dockerfile has no stage %q", target)
		}
	}
	var visit func(*Stage)
	visit = func(s *Stage) {
		if s == nil || p.Reached[s] {
			return
		}
		p.Reached[s] = true
		visit(s.Onto)
		for _, other := range s.takesFrom {
			visit(other)
		}
	}
	visit(last)
	for _, s := range p.Stages {
		if p.Reached[s] {
			p.Nodes = append(p.Nodes, s.Nodes...)
		}
	}
	return nil
}

// stage finds a stage by its name, in any case, or its number; nil for none.
func (p *Plan) stage(name string, named map[string]*Stage) *Stage {
	if s := named[strings.ToLower(name)]; s != nil {
		return s
	}
	if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(p.Stages) {
		return p.Stages[i]
	}
	return nil
}

// SourcesOf is what all steps of the plan take from one context, "" for the main one.
func (p *Plan) SourcesOf(context string) []Source {
	var out []Source
	for _, n := range p.Nodes {
		for _, s := range n.Sources {
			if strings.EqualFold(s.Context, context) {
				out = append(out, s)
			}
		}
	}
	return out
}

func newInstruction(c instructions.Command, original string) *Instruction {
	line, last := lineRange(c.Location())
	in := &Instruction{Line: line, Last: last, Keyword: strings.ToUpper(c.Name())}
	_, rest, _ := strings.Cut(strings.TrimSpace(original), " ")
	// The text of a RUN goes to its shell as it is; elsewhere white space parts words.
	in.Text = in.Keyword + " " + rest
	in.Full = strings.Join(strings.Fields(in.Text), " ")
	in.Short = in.Full
	if in.Keyword != string(Run) {
		in.Text = in.Short
		return in
	}
	// Mounts would leave no space for what is run.
	words := strings.Fields(in.Text)[1:]
	for len(words) > 1 && strings.HasPrefix(words[0], "--") {
		words = words[1:]
	}
	in.Short = strings.Join(append([]string{in.Keyword}, words...), " ")
	return in
}

func lineRange(at []parser.Range) (first, last int) {
	for i, r := range at {
		if i == 0 {
			first = r.Start.Line
		}
		first, last = min(first, r.Start.Line), max(last, r.End.Line)
	}
	return first, last
}

func lastOf[T any](list []T) T { return list[len(list)-1] }

// IsStep says whether BuildKit shows the node as a step.
func (n *Node) IsStep() bool {
	switch n.Kind {
	case End:
		return false
	case From:
		return n.Image != "" && n.Image != "scratch"
	case Workdir:
		return path.Clean(n.Expanded) != "/" // BuildKit makes no step of it
	default:
		return true
	}
}
