package dockerfile

import (
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Syntax is the image of the frontend that a Dockerfile, or a build argument, names; "" for the builder's own. With
// one, the text may be in a language of its own.
func Syntax(text []byte, args map[string]string) string {
	if given := args[SyntaxArgument]; given != "" {
		return given
	}
	if syntax, _, _, found := parser.DetectSyntax(text); found {
		return syntax
	}
	return ""
}

// Images lists the references, as they are written, of all images outside of the Dockerfile that its stages start
// from, copy from and mount; stages that no target needs are included. contexts are the named contexts of the build:
// each stands in for the image or stage of its name.
func (p *Plan) Images(contexts map[string]string) []string {
	var out []string
	add := func(ref string) {
		if !replaced(ref, contexts) {
			out = append(out, ref)
		}
	}
	for _, s := range p.Stages {
		if from := s.Nodes[0]; from.Image != "" && (s.given == "" || !replaced(s.given, contexts)) {
			add(from.Image)
		}
	}
	for _, s := range p.Stages {
		for _, n := range s.Nodes {
			for _, ref := range n.images {
				if _, err := strconv.Atoi(ref); err != nil { // a number is a stage that is not there
					add(ref)
				}
			}
		}
	}
	return out
}

// replaced says whether a named context stands in for ref; its key is the familiar form without ":latest" (BuildKit:
// dockerui.Client.NamedContext).
func replaced(ref string, contexts map[string]string) bool {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return false
	}
	_, ok := contexts[strings.TrimSuffix(reference.FamiliarString(named), ":latest")]
	return ok
}

// Unfilled gives the first instruction whose base or argument can't be told; nil where there is none.
func (p *Plan) Unfilled() *Instruction {
	for _, in := range p.Global {
		if in.Err != nil {
			return in
		}
	}
	for _, s := range p.Stages {
		if in := s.Instructions[0]; in.Err != nil {
			return in
		}
	}
	return nil
}

// FullReference gives the form in which BuildKit names an image, and the one in which people do. A reference that is
// none stays as it is.
func FullReference(ref string) (full, familiar string) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref, ref
	}
	tagged := reference.TagNameOnly(named)
	return tagged.String(), reference.FamiliarString(tagged)
}
