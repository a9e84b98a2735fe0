package bases

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// dockerfileReader finds the images that one Dockerfile starts from, by the rules of BuildKit's
// frontend/dockerfile/dockerfile2llb.
type dockerfileReader struct {
	name     string            // for errors
	args     map[string]string // build arguments and the platform's
	contexts map[string]string // named contexts: they replace images and stages of their name
	stages   map[string]bool   // names so far, in lower case
	refs     []string
}

func (f *dockerfileReader) read(data []byte) ([]string, error) {
	syntax, _, _, foreign := parser.DetectSyntax(data)
	if given := f.args["BUILDKIT_SYNTAX"]; given != "" {
		syntax, foreign = given, true
	}
	if foreign && lockable(syntax) {
		f.refs = append(f.refs, syntax)
	}
	parsed, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return f.unread(foreign, err)
	}
	stages, global, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return f.unread(foreign, err)
	}
	lex := shell.NewLex(parsed.EscapeToken)
	env, err := f.globals(lex, global)
	if err != nil {
		return nil, err
	}
	f.stages = map[string]bool{}
	for _, stage := range stages {
		if err := f.from(lex, env, stage); err != nil {
			return nil, err
		}
	}
	// Only now are all stages known; COPY --from may also name one by its number.
	for _, stage := range stages {
		for _, command := range stage.Commands {
			for _, source := range sources(command) {
				if _, err := strconv.Atoi(source); err == nil {
					continue
				}
				f.add(source)
			}
		}
	}
	return f.refs, nil
}

// unread is what is known of a Dockerfile that does not parse: with a syntax line it may be in a language of its own, and
// the image that reads it is its only base.
func (f *dockerfileReader) unread(foreign bool, err error) ([]string, error) {
	if foreign {
		return f.refs, nil
	}
	return nil, f.located(err, nil)
}

// globals evaluates the ARGs before the first FROM: a build argument wins over the default. The rest of the build
// arguments do not count there, but for the platform's.
func (f *dockerfileReader) globals(lex *shell.Lex, commands []instructions.ArgCommand) (map[string]string, error) {
	env := map[string]string{}
	for _, name := range []string{"PLATFORM", "OS", "ARCH", "VARIANT"} {
		env["TARGET"+name], env["BUILD"+name] = f.args["TARGET"+name], f.args["BUILD"+name]
	}
	for _, command := range commands {
		for _, arg := range command.Args {
			if value, given := f.args[arg.Key]; given {
				env[arg.Key] = value
			} else if arg.Value != nil {
				word, err := lex.ProcessWordWithMatches(*arg.Value, list(env))
				if err != nil {
					return nil, f.located(err, command.Location())
				}
				env[arg.Key] = word.Result
			}
		}
	}
	return env, nil
}

func list(env map[string]string) shell.EnvGetter {
	pairs := make([]string, 0, len(env))
	for k, v := range env {
		pairs = append(pairs, k+"="+v)
	}
	return shell.EnvsFromSlice(pairs)
}

// from adds a stage's base and learns the stage's name.
func (f *dockerfileReader) from(lex *shell.Lex, env map[string]string, stage instructions.Stage) error {
	word, err := lex.ProcessWordWithMatches(stage.BaseName, list(env))
	if err != nil {
		return f.located(err, stage.Location)
	}
	if word.Result == "" {
		return f.located(fmt.Errorf("the base name %s is blank without build arguments", stage.BaseName), stage.Location)
	}
	// A named context of the stage's name replaces the whole stage.
	if stage.Name == "" || !f.replaced(stage.Name) {
		f.add(word.Result)
	}
	f.stages[strings.ToLower(stage.Name)] = true
	return nil
}

// add keeps what is an image that a digest can lock.
func (f *dockerfileReader) add(ref string) {
	if f.stages[strings.ToLower(ref)] || f.replaced(ref) || !lockable(ref) {
		return
	}
	f.refs = append(f.refs, ref)
}

// replaced says whether a named context stands in for ref; its key is the familiar form without ":latest"
// (BuildKit: dockerui.Client.NamedContext).
func (f *dockerfileReader) replaced(ref string) bool {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return false
	}
	_, ok := f.contexts[strings.TrimSuffix(reference.FamiliarString(named), ":latest")]
	return ok
}

// sources lists what a COPY or RUN reads from besides its own stage.
func sources(command instructions.Command) []string {
	switch c := command.(type) {
	case *instructions.CopyCommand:
		if c.From != "" {
			return []string{c.From}
		}
	case *instructions.RunCommand:
		var from []string
		for _, mount := range instructions.GetMounts(c) {
			if mount.From != "" {
				from = append(from, mount.From)
			}
		}
		return from
	}
	return nil
}

// located puts file:line before err, or the file alone where no line is known.
func (f *dockerfileReader) located(err error, at []parser.Range) error {
	var known *parser.LocationError
	if len(at) == 0 && errors.As(err, &known) && len(known.Locations) > 0 {
		at = known.Locations[0]
	}
	if len(at) == 0 {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	line := at[0].Start.Line
	text := strings.TrimPrefix(err.Error(), fmt.Sprintf("dockerfile parse error on line %d: ", line))
	return fmt.Errorf("%s:%d: %s", f.name, line, text)
}
