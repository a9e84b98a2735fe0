package model

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"
	"go.yaml.in/yaml/v4"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/source"
	"github.com/25eloquence/compose-mage/internal/finding"
)

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// fileRules are about what the files say without effect, or leave open.
var fileRules = []rule{
	modelRule("variable.unset", "a variable that is not set, and has no default", finding.Warning,
		"docker compose warns of it", check.NoFix, variableUnset),
	modelRule("image.floating", "an image whose name means another one tomorrow", finding.Info,
		"docs.docker.com/build/building/best-practices/", check.NoFix, imageFloating),
	modelRule("declared.unused", "a volume, network, secret or config that no service uses", finding.Info,
		"it has no effect", check.NoFix, declaredUnused),
	modelRule("file.version", "the obsolete key version", finding.Info, composeDocs+"version-and-name/", check.Safe,
		fileVersion),
}

// sections hold values in which docker compose puts variables.
var sections = []string{"services", "volumes", "networks", "secrets", "configs", "name"}

func variableUnset(l Look) []check.Finding {
	at := map[string][]check.Place{}
	for _, f := range l.Files {
		for _, section := range sections {
			if _, n := source.Find(f.Root, section); n != nil {
				scalars(n, func(s *yaml.Node) {
					for name := range unset(s.Value, l.Project.Environment) {
						if p := (check.Place{File: f.Path, Line: s.Line}); !slices.Contains(at[name], p) {
							at[name] = append(at[name], p)
						}
					}
				})
			}
		}
	}
	var out []check.Finding
	for _, name := range slices.Sorted(maps.Keys(at)) {
		out = append(out, check.Warn("variable.unset", name+"=… in .env, or ${"+name+":-} where it may be empty",
			"the variable %s is not set, and an empty text stands in its place", name).At(at[name]...))
	}
	return out
}

// scalars visits the values below a node, each once: what aliases stand for is visited where it is written.
func scalars(n *yaml.Node, visit func(*yaml.Node)) {
	switch n.Kind {
	case yaml.ScalarNode:
		visit(n)
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			scalars(n.Content[i], visit)
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			scalars(c, visit)
		}
	}
}

// unset gives the variables of a text that are not set and for which the text says nothing else.
func unset(text string, environment types.Mapping) map[string]bool {
	out := map[string]bool{}
	if !strings.Contains(text, "$") {
		return out
	}
	for name, v := range template.ExtractVariables(map[string]any{"": text}, template.DefaultPattern) {
		if _, set := environment[name]; !set && !v.Required && !says(text, name) {
			out[name] = true
		}
	}
	return out
}

// says whether the text says what stands in the place of a variable that is not set, be it nothing.
func says(text, name string) bool {
	return slices.ContainsFunc([]string{":-", "-", ":+", "+"}, func(operator string) bool {
		return strings.Contains(text, "${"+name+operator)
	})
}

func imageFloating(l Look) []check.Finding {
	byImage := map[string][]string{}
	for _, s := range l.services() {
		if s.Build != nil || s.Image == "" {
			continue
		}
		named, err := reference.ParseNormalizedNamed(s.Image)
		if err != nil {
			continue
		}
		if _, fixed := named.(reference.Digested); fixed {
			continue
		}
		if tagged, ok := reference.TagNameOnly(named).(reference.Tagged); ok && tagged.Tag() == "latest" {
			byImage[s.Image] = append(byImage[s.Image], s.Name)
		}
	}
	var out []check.Finding
	for _, image := range slices.Sorted(maps.Keys(byImage)) {
		services := byImage[image]
		var at []check.Place
		for _, s := range services {
			at = append(at, l.at(s, "image"))
		}
		out = append(out, check.Tell("image.floating", "a tag with a version, or a digest",
			"%s is whatever its publisher made last", image).Of(services...).At(at...).
			Because("another machine, or this one after a pull, runs something else"))
	}
	return out
}

func declaredUnused(l Look) []check.Finding {
	used := map[string]map[string]bool{"volumes": {}, "networks": {"default": true}, "secrets": {}, "configs": {}}
	for _, s := range l.Project.AllServices() {
		for _, v := range s.Volumes {
			used["volumes"][v.Source] = true
		}
		for name := range s.Networks {
			used["networks"][name] = true
		}
		for _, x := range s.Secrets {
			used["secrets"][x.Source] = true
		}
		for _, x := range s.Configs {
			used["configs"][x.Source] = true
		}
		if s.Build != nil {
			used["networks"][s.Build.Network] = true
			for _, x := range s.Build.Secrets {
				used["secrets"][x.Source] = true
			}
		}
	}
	var out []check.Finding
	for _, f := range l.Files {
		for _, section := range slices.Sorted(maps.Keys(used)) {
			_, n := source.Find(f.Root, section)
			if n = source.Resolved(n); n == nil || n.Kind != yaml.MappingNode {
				continue
			}
			for i := 0; i+1 < len(n.Content); i += 2 {
				if name := n.Content[i].Value; !used[section][name] && name != "<<" && !strings.HasPrefix(name, "x-") {
					out = append(out, check.Tell("declared.unused", "take it out of the Compose file",
						"%s.%s is declared, and no service uses it", section, name).
						At(check.Place{File: f.Path, Line: n.Content[i].Line}))
				}
			}
		}
	}
	return out
}

func fileVersion(l Look) []check.Finding {
	var out []check.Finding
	for _, f := range l.Files {
		if key, _ := source.Find(f.Root, "version"); key != nil {
			out = append(out, check.Tell("file.version", "take it out",
				"the key version has no meaning any more, and docker compose warns of it").
				At(check.Place{File: f.Path, Line: key.Line}).
				Edited(check.Safe, check.Edit{File: f.Path, Path: []string{"version"}, Delete: true}))
		}
	}
	return out
}
