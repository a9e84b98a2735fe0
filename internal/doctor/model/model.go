// Package model owns the checks of a Compose model: what in the files will not do well, told from the files alone, or
// from them and the images that the engine has. It asks nobody.
package model

import (
	"context"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/source"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// Look is what the checks of a model look at.
type Look struct {
	Project *types.Project
	Files   source.Files
	Images  subject.Images // what the engine has; of no use to most
}

// at gives the place of a service's key.
func (l Look) at(service string, keys ...string) check.Place {
	return l.Files.Place(append([]string{"services", service}, keys...)...)
}

// services gives the active services in the order of their names; what another program provides is left out.
func (l Look) services() []types.ServiceConfig {
	var all []types.ServiceConfig
	for _, name := range l.Project.ServiceNames() {
		if s := l.Project.Services[name]; s.Provider == nil {
			s.Name = name
			all = append(all, s)
		}
	}
	return all
}

// rule is a rule with the function that finds what is against it.
type rule struct {
	check.Rule
	look func(Look) []check.Finding
}

// The pages that say what is wrong.
const (
	composeDocs = "docs.docker.com/reference/compose-file/"
	startOrder  = "docs.docker.com/compose/how-tos/startup-order/"
	cis         = "CIS Docker Benchmark 1.6: "
)

func modelRule(id, title string, worst finding.Severity, basis string, fix check.Fix, look func(Look) []check.Finding,
) rule {
	return rule{check.Rule{
		ID: id, Title: title, Where: check.Model, Worst: worst, Basis: basis, Fix: fix,
	}, look}
}

// plain are the rules that need the files alone.
var plain = slices.Concat(startRules, securityRules, fileRules)

// Checks gives the checks of a model.
func Checks() []check.Check[*subject.Subject] {
	var all []check.Check[*subject.Subject]
	for _, r := range plain {
		all = append(all, check.Check[*subject.Subject]{
			Rules: []check.Rule{r.Rule},
			Look: func(_ context.Context, s *subject.Subject) ([]check.Finding, error) {
				project, err := s.Project()
				if err != nil {
					return nil, err
				}
				return r.look(Look{Project: project, Files: s.Files}), nil
			},
		})
	}
	for _, r := range imageRules {
		all = append(all, check.Check[*subject.Subject]{
			Rules: []check.Rule{r.Rule},
			Look: func(ctx context.Context, s *subject.Subject) ([]check.Finding, error) {
				images, err := s.Images(ctx)
				if err != nil {
					return nil, err
				}
				l := Look{Project: s.Model.Project, Files: s.Files, Images: images}
				return r.look(l), l.imagesMissing()
			},
		})
	}
	return all
}

// imagesMissing says which services' images the engine does not have; nil where it has all.
func (l Look) imagesMissing() error {
	var missing []string
	for _, s := range l.services() {
		if _, here := l.Images.Of(l.Project.Name, s); !here {
			missing = append(missing, s.Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return check.NotSeen("the engine does not have the images of %s", strings.Join(missing, ", "))
}
