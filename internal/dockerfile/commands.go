package dockerfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// reader turns what BuildKit's parser gives into a plan.
type reader struct {
	plan   *Plan
	args   map[string]string
	lex    *shell.Lex
	global map[string]Variable
	named  map[string]*Stage // by name in lower case
	others bool              // a step takes from something outside: BuildKit then counts more than one stage
}

// stage reads the beginning of a stage: what it starts from.
func (r *reader) stage(i int, s instructions.Stage) *Stage {
	st := &Stage{Index: i, Name: s.Name, given: s.Name, vars: map[string]Variable{}}
	if s.Name == "" {
		st.Name = fmt.Sprintf("stage-%d", i)
	}
	first, last := lineRange(s.Location)
	in := &Instruction{
		Line: first, Last: last, Keyword: string(From),
		Text: strings.Join(strings.Fields(s.SourceCode), " "),
	}
	in.Short = in.Text
	n := &Node{Stage: st, Kind: From, Line: first, Instruction: in, Uses: map[string]bool{}, Vars: r.global}
	in.Node = n
	base, err := r.expand(n, s.BaseName, r.global)
	if in.Err = err; err == nil && base == "" {
		in.Err = fmt.Errorf("the base name %s is blank without build arguments", s.BaseName)
	}
	platform, _ := r.expand(n, s.Platform, r.global)
	n.Expanded = strings.TrimSpace(base + " " + platform)
	if st.Onto = r.named[strings.ToLower(base)]; st.Onto != nil {
		n.Deps = []*Node{st.Onto.end}
		n.Expanded = ""
	} else {
		n.Image = base
		n.Sources = []Source{{Context: strings.ToLower(base), All: true}} // where it is the name of a context
	}
	st.Instructions, st.Nodes = []*Instruction{in}, []*Node{n}
	if n.IsStep() {
		n.Index, st.Total = 1, 1
	}
	st.end = &Node{Stage: st, Kind: End}
	if s.Name != "" {
		r.named[strings.ToLower(s.Name)] = st
	}
	return st
}

// commands reads the instructions of a stage, after those of the stage that it starts from.
func (r *reader) commands(st *Stage, commands []instructions.Command) {
	if st.Onto != nil {
		maps.Copy(st.vars, st.Onto.vars)
		st.user, st.shell = st.Onto.user, st.Onto.shell
	}
	for _, c := range commands {
		r.command(st, c)
	}
	st.end.Line, st.end.Deps = lastOf(st.Instructions).Line, []*Node{lastOf(st.Nodes)}
	st.Nodes = append(st.Nodes, st.end)
}

// command adds one instruction to a stage.
func (r *reader) command(st *Stage, c instructions.Command) {
	original := c.Name()
	if s, ok := c.(interface{ String() string }); ok {
		original = s.String()
	}
	in := newInstruction(c, original)
	st.Instructions = append(st.Instructions, in)
	switch c := c.(type) {
	case *instructions.ArgCommand:
		in.Err = r.arg(c, in, st.vars, r.global)
	case *instructions.EnvCommand:
		r.env(st, c, in)
	case *instructions.UserCommand:
		user, _ := r.expand(&Node{}, c.User, st.vars)
		st.user = Setting{Value: user, At: in}
	case *instructions.ShellCommand:
		st.shell = Setting{Value: strings.Join(c.Shell, " "), At: in}
	case *instructions.WorkdirCommand:
		n := r.step(st, Workdir, in)
		n.Expanded, _ = r.expand(n, c.Path, st.vars)
		n.User = st.user
		st.Total++ // counted, even where it makes no step
		if n.IsStep() {
			n.Index = st.nextIndex()
		}
	case *instructions.CopyCommand:
		n := r.step(st, Copy, in)
		r.copied(n, &c.SourcesAndDest, c.From, selection{parents: c.Parents, exclude: c.ExcludePatterns}, c.Chown,
			c.Chmod)
		st.count(n)
	case *instructions.AddCommand:
		n := r.step(st, Add, in)
		r.copied(n, &c.SourcesAndDest, "", selection{exclude: c.ExcludePatterns}, c.Chown, c.Chmod)
		st.count(n)
	case *instructions.RunCommand:
		n := r.step(st, Run, in)
		r.run(n, c)
		st.count(n)
	}
}

// step adds a node that follows the stage's last.
func (r *reader) step(st *Stage, k Kind, in *Instruction) *Node {
	n := &Node{
		Stage: st, Kind: k, Line: in.Line, Instruction: in, Uses: map[string]bool{}, Deps: []*Node{lastOf(st.Nodes)},
		Vars: maps.Clone(st.vars),
	}
	in.Node = n
	n.Shown = []string{in.Full, r.displayed(n)}
	st.Nodes = append(st.Nodes, n)
	return n
}

// displayed is the step's text as BuildKit fills in its variables.
func (r *reader) displayed(n *Node) string {
	display := *r
	if n.Kind == Run {
		lex := *r.lex
		lex.RawQuotes, lex.RawEscapes, lex.SkipUnsetEnv = true, true, true
		display.lex = &lex
	}
	text, _ := display.expand(&Node{}, n.Instruction.Full, n.Vars)
	return strings.Join(strings.Fields(text), " ")
}

func (s *Stage) count(n *Node) {
	s.Total++
	n.Index = s.nextIndex()
}

// nextIndex is the number of the stage's next step.
func (s *Stage) nextIndex() int {
	highest := 0
	for _, n := range s.Nodes {
		highest = max(highest, n.Index)
	}
	return highest + 1
}

// arg declares arguments. vars is the scope; the caller's value wins over the default, and both over the global one.
func (r *reader) arg(c *instructions.ArgCommand, in *Instruction, vars, global map[string]Variable) (problem error) {
	for _, a := range c.Args {
		if v, ok := r.args[a.Key]; ok {
			vars[a.Key] = Variable{Value: v, At: in, CallerArg: true}
			continue
		}
		if a.Value != nil {
			v, err := r.variable(*a.Value, in, vars)
			if err != nil && problem == nil {
				problem = err
			}
			vars[a.Key] = v
			continue
		}
		if v, ok := global[a.Key]; ok {
			if v.At == nil {
				v.At = in
			}
			vars[a.Key] = v
		}
	}
	return problem
}

func (r *reader) env(st *Stage, c *instructions.EnvCommand, in *Instruction) {
	values := maps.Clone(st.vars) // of one ENV, none sees another
	for _, kv := range c.Env {
		key, _ := r.expand(&Node{}, kv.Key, st.vars)
		values[key], _ = r.variable(kv.Value, in, st.vars)
	}
	st.vars = values
}

// variable is the value that an instruction makes of a word.
func (r *reader) variable(word string, in *Instruction, vars map[string]Variable) (Variable, error) {
	probe := &Node{Uses: map[string]bool{}}
	value, err := r.expand(probe, word, vars)
	return Variable{Value: value, At: in, Uses: probe.Uses}, err
}

// expand fills in the variables of a word, and notes in n which variables the word uses and whether all were known. A
// word that can't be understood stays as it is: the builder will say what is wrong with it.
func (r *reader) expand(n *Node, word string, vars map[string]Variable) (string, error) {
	if !strings.ContainsAny(word, `$'"\`) {
		return word, nil
	}
	var list []string
	for k, v := range vars {
		list = append(list, k+"="+v.Value)
	}
	res, err := r.lex.ProcessWordWithMatches(word, shell.EnvsFromSlice(list))
	if err != nil {
		n.unknown = true
		return word, err
	}
	for k := range res.Matched {
		if n.Uses != nil {
			n.Uses[k] = true
		}
	}
	n.unknown = n.unknown || len(res.Unmatched) > 0
	return res.Result, nil
}

// copied reads a COPY or ADD: from is the stage, image or named context that it takes from; "" for the build context.
// flags are those in which variables count.
func (r *reader) copied(n *Node, s *instructions.SourcesAndDest, from string, how selection, flags ...string) {
	var words []string
	for _, flag := range flags {
		word, _ := r.expand(n, flag, n.Vars)
		words = append(words, word)
	}
	for _, doc := range s.SourceContents {
		n.Instruction.Text += "\n" + doc.Path + "\n" + doc.Data
		if doc.Expand {
			words = append(words, r.expandDocument(n, doc.Data))
		}
	}
	files := r.attach(n, from)
	for _, p := range s.SourcePaths {
		probe := &Node{Uses: n.Uses}
		p, _ = r.expand(probe, p, n.Vars)
		words = append(words, p)
		switch {
		case n.Kind == Add && fetched(p):
			n.Remote = append(n.Remote, p)
		case files && probe.unknown:
			n.Sources = append(n.Sources, Source{Context: from, All: true, Unsure: true})
		case files:
			n.Sources = append(n.Sources, newSource(from, p, how))
		}
	}
	to, _ := r.expand(n, s.DestPath, n.Vars)
	n.Expanded = strings.Join(append(words, to), " ")
}

// expandDocument fills in the variables of a heredoc, as BuildKit does: quotes stay.
func (r *reader) expandDocument(n *Node, text string) string {
	raw := *r
	raw.lex = shell.NewLex('\\')
	raw.lex.SkipProcessQuotes = true
	out, _ := raw.expand(n, text, n.Vars)
	return out
}

// fetched says whether an ADD fetches that source from another machine.
func fetched(p string) bool {
	if strings.HasPrefix(p, "http://") || strings.HasPrefix(p, "https://") {
		return true
	}
	ref, _, err := dfgitutil.ParseGitRef(p)
	return err == nil && !ref.IndistinguishableFromLocal
}

// run reads a RUN: all variables, and the mounts that bring files.
func (r *reader) run(n *Node, c *instructions.RunCommand) {
	n.User, n.Shell = n.Stage.user, n.Stage.shell
	for _, f := range c.Files {
		n.Instruction.Text += "\n" + f.Name + "\n" + f.Data
	}
	if !c.PrependShell {
		n.Shell = Setting{}
	}
	r.others = r.others || len(instructions.GetMounts(c)) > 0
	probe := &Node{Uses: n.Uses}
	expand := func(word string) (string, error) {
		text, _ := r.expand(probe, word, n.Vars)
		return text, nil
	}
	if err := c.Expand(expand); err != nil {
		return // the builder will say so
	}
	for _, m := range instructions.GetMounts(c) {
		files := r.attach(n, m.From)
		if m.Type != instructions.MountTypeBind && (m.Type != instructions.MountTypeCache || m.From == "") || !files {
			continue
		}
		if probe.unknown {
			n.Sources = append(n.Sources, Source{Context: m.From, All: true, Unsure: true})
		} else {
			n.Sources = append(n.Sources, newSource(m.From, m.Source, selection{plain: true}))
		}
	}
}

// attach makes n depend on the stage or image that from names. It says whether from may be a context instead.
func (r *reader) attach(n *Node, from string) bool {
	if from == "" {
		return true
	}
	st := r.plan.stage(from, r.named)
	if st == nil {
		n.Image, r.others = from, true
		n.images = append(n.images, from)
		return true
	}
	if !slices.Contains(n.Stage.takesFrom, st) {
		n.Stage.takesFrom = append(n.Stage.takesFrom, st)
	}
	n.Deps = append(n.Deps, st.end)
	return false
}
