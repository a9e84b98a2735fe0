package explain

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// command adds one instruction to a stage.
func (r *reader) command(st *stage, c instructions.Command) {
	original := c.Name()
	if s, ok := c.(interface{ String() string }); ok {
		original = s.String()
	}
	in := newInstruction(c, original)
	st.instructions = append(st.instructions, in)
	switch c := c.(type) {
	case *instructions.ArgCommand:
		r.arg(c, in, st.vars, r.global)
	case *instructions.EnvCommand:
		r.env(st, c, in)
	case *instructions.UserCommand:
		st.user = setting{value: r.expand(&node{}, c.User, st.vars), at: in}
	case *instructions.ShellCommand:
		st.shell = setting{value: strings.Join(c.Shell, " "), at: in}
	case *instructions.WorkdirCommand:
		n := r.step(st, workdir, in)
		n.expanded = r.expand(n, c.Path, st.vars)
		n.user = st.user
		st.total++ // counted, even where it makes no step
		if n.real() {
			n.index = st.next()
		}
	case *instructions.CopyCommand:
		n := r.step(st, copying, in)
		r.copied(n, &c.SourcesAndDest, c.From, selection{parents: c.Parents, exclude: c.ExcludePatterns}, c.Chown, c.Chmod)
		st.count(n)
	case *instructions.AddCommand:
		n := r.step(st, add, in)
		r.copied(n, &c.SourcesAndDest, "", selection{exclude: c.ExcludePatterns}, c.Chown, c.Chmod)
		st.count(n)
	case *instructions.RunCommand:
		n := r.step(st, run, in)
		r.run(n, c)
		st.count(n)
	}
}

// step adds a node that follows the stage's last.
func (r *reader) step(st *stage, k kind, in *instruction) *node {
	n := &node{stage: st, kind: k, line: in.line, in: in, uses: map[string]bool{}, deps: []*node{lastOf(st.nodes)}, vars: maps.Clone(st.vars)}
	in.node = n
	n.shown = []string{in.full, r.displayed(n)}
	st.nodes = append(st.nodes, n)
	return n
}

// displayed is the step's text as BuildKit fills in its variables.
func (r *reader) displayed(n *node) string {
	display := *r
	if n.kind == run {
		lex := *r.lex
		lex.RawQuotes, lex.RawEscapes, lex.SkipUnsetEnv = true, true, true
		display.lex = &lex
	}
	return strings.Join(strings.Fields(display.expand(&node{}, n.in.full, n.vars)), " ")
}

func (s *stage) count(n *node) {
	s.total++
	n.index = s.next()
}

// next is the number of the stage's next step.
func (s *stage) next() int {
	highest := 0
	for _, n := range s.nodes {
		highest = max(highest, n.index)
	}
	return highest + 1
}

// arg declares arguments. vars is the scope; the caller's value wins over the default, and both over the global one.
func (r *reader) arg(c *instructions.ArgCommand, in *instruction, vars, global map[string]variable) {
	for _, a := range c.Args {
		if v, ok := r.args[a.Key]; ok {
			vars[a.Key] = variable{value: v, at: in, arg: true}
			continue
		}
		if a.Value != nil {
			vars[a.Key] = r.variable(*a.Value, in, vars)
			continue
		}
		if v, ok := global[a.Key]; ok {
			if v.at == nil {
				v.at = in
			}
			vars[a.Key] = v
		}
	}
}

func (r *reader) env(st *stage, c *instructions.EnvCommand, in *instruction) {
	values := maps.Clone(st.vars) // of one ENV, none sees another
	for _, kv := range c.Env {
		values[r.expand(&node{}, kv.Key, st.vars)] = r.variable(kv.Value, in, st.vars)
	}
	st.vars = values
}

// variable is the value that an instruction makes of a word.
func (r *reader) variable(word string, in *instruction, vars map[string]variable) variable {
	probe := &node{uses: map[string]bool{}}
	return variable{value: r.expand(probe, word, vars), at: in, uses: probe.uses}
}

// expand fills in variables, and notes which n uses and whether all were known.
func (r *reader) expand(n *node, word string, vars map[string]variable) string {
	if !strings.ContainsAny(word, `$'"\`) {
		return word
	}
	var list []string
	for k, v := range vars {
		list = append(list, k+"="+v.value)
	}
	res, err := r.lex.ProcessWordWithMatches(word, shell.EnvsFromSlice(list))
	if err != nil {
		n.unknown = true
		return word
	}
	for k := range res.Matched {
		if n.uses != nil {
			n.uses[k] = true
		}
	}
	n.unknown = n.unknown || len(res.Unmatched) > 0
	return res.Result
}

// copied reads a COPY or ADD: from is the stage, image or named context that it takes from; "" for the build context. flags
// are those in which variables count.
func (r *reader) copied(n *node, s *instructions.SourcesAndDest, from string, how selection, flags ...string) {
	var words []string
	for _, flag := range flags {
		words = append(words, r.expand(n, flag, n.vars))
	}
	for _, doc := range s.SourceContents {
		n.in.text += "\n" + doc.Path + "\n" + doc.Data
		if doc.Expand {
			words = append(words, r.expandDocument(n, doc.Data))
		}
	}
	files := r.attach(n, from)
	for _, p := range s.SourcePaths {
		probe := &node{uses: n.uses}
		p = r.expand(probe, p, n.vars)
		words = append(words, p)
		switch {
		case n.kind == add && fetched(p):
			n.remote = append(n.remote, p)
		case files && probe.unknown:
			n.reads = append(n.reads, read{tree: from, all: true, unsure: true})
		case files:
			n.reads = append(n.reads, newRead(from, p, how))
		}
	}
	n.expanded = strings.Join(append(words, r.expand(n, s.DestPath, n.vars)), " ")
}

// expandDocument fills in the variables of a heredoc, as BuildKit does: quotes stay.
func (r *reader) expandDocument(n *node, text string) string {
	raw := *r
	raw.lex = shell.NewLex('\\')
	raw.lex.SkipProcessQuotes = true
	return raw.expand(n, text, n.vars)
}

func fetched(p string) bool {
	if strings.HasPrefix(p, "http://") || strings.HasPrefix(p, "https://") {
		return true
	}
	ref, _, err := dfgitutil.ParseGitRef(p)
	return err == nil && !ref.IndistinguishableFromLocal
}

// run reads a RUN: all variables, and the mounts that bring files.
func (r *reader) run(n *node, c *instructions.RunCommand) {
	n.user, n.shell = n.stage.user, n.stage.shell
	for _, f := range c.Files {
		n.in.text += "\n" + f.Name + "\n" + f.Data
	}
	if !c.PrependShell {
		n.shell = setting{}
	}
	r.others = r.others || len(instructions.GetMounts(c)) > 0
	probe := &node{uses: n.uses}
	if err := c.Expand(func(word string) (string, error) { return r.expand(probe, word, n.vars), nil }); err != nil {
		return // the builder will say so
	}
	for _, m := range instructions.GetMounts(c) {
		if m.Type != instructions.MountTypeBind && (m.Type != instructions.MountTypeCache || m.From == "") {
			continue
		}
		if !r.attach(n, m.From) {
			continue
		}
		if probe.unknown {
			n.reads = append(n.reads, read{tree: m.From, all: true, unsure: true})
		} else {
			n.reads = append(n.reads, newRead(m.From, m.Source, selection{plain: true}))
		}
	}
}

// attach makes n depend on the stage or image that from names. It says whether from may be a context instead.
func (r *reader) attach(n *node, from string) bool {
	if from == "" {
		return true
	}
	st := r.named[strings.ToLower(from)]
	if i, err := strconv.Atoi(from); err == nil && st == nil && i >= 0 && i < len(r.plan.stages) {
		st = r.plan.stages[i]
	}
	if st == nil {
		n.image, r.others = from, true
		return true
	}
	if !slices.Contains(n.stage.reads, st) {
		n.stage.reads = append(n.stage.reads, st)
	}
	n.deps = append(n.deps, st.end())
	return false
}
