// Package running owns the checks of a project's containers and of the machine that they run on: what the engine says
// of them, what they log, and what this machine's kernel says of memory and disks. It changes nothing.
package running

import (
	"context"
	"maps"
	"slices"

	"github.com/moby/moby/api/types/system"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/source"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/monitor"
)

// Checks gives the checks of containers and machine.
func Checks() []check.Check[*subject.Subject] {
	all := []check.Check[*subject.Subject]{
		engineCheck, memoryCheck, inodesCheck, tmpfsCheck, logsCheck, driftCheck, wasteCheck,
		cacheCheck, volumesCheck, mtuCheck,
	}
	for _, r := range slices.Concat(containerRules, endRules) {
		all = append(all, check.Check[*subject.Subject]{
			Rules: []check.Rule{r.Rule},
			Look: func(ctx context.Context, s *subject.Subject) ([]check.Finding, error) {
				if err := s.Running(ctx); err != nil {
					return nil, err
				}
				l, err := newLook(ctx, s)
				if err != nil {
					return nil, err
				}
				return r.look(l), nil
			},
		})
	}
	return all
}

// look is what the checks of containers look at.
type look struct {
	Containers map[string][]container.Replica // by service
	Images     subject.Images
	Info       system.Info
	Written    map[string]int64 // into a container's own layer, in bytes, by container ID
	rows       []monitor.Replica
	files      source.Files
	at         func(service string, keys ...string) check.Place
	imageOf    func(service string) string // the name of the image in the Compose file
}

func newLook(ctx context.Context, s *subject.Subject) (look, error) {
	e, project, err := s.Connected()
	if err != nil {
		return look{}, err
	}
	l := look{
		Info: e.Info, Written: map[string]int64{}, files: s.Files,
		at: func(service string, keys ...string) check.Place {
			return s.Files.Place(append([]string{"services", service}, keys...)...)
		},
	}
	if l.Containers, err = s.Containers(ctx); err != nil {
		return l, err
	}
	if l.Images, err = s.Images(ctx); err != nil {
		return l, err
	}
	l.imageOf = func(service string) string {
		of, active := project.Services[service]
		if !active {
			return ""
		}
		return subject.ImageName(project.Name, of)
	}
	snapshot, err := s.Snapshot(ctx)
	l.rows = snapshot.Services
	for _, r := range snapshot.Services {
		l.Written[r.ID] = r.Written
	}
	return l, err
}

// each visits the containers by service and number.
func (l look) each(visit func(service string, c container.Replica)) {
	for _, service := range slices.Sorted(maps.Keys(l.Containers)) {
		for _, c := range l.Containers[service] {
			if c.Config != nil && c.State != nil {
				visit(service, c)
			}
		}
	}
}

// rule is a rule with the function that finds what is against it.
type rule struct {
	check.Rule
	look func(look) []check.Finding
}

func engineRule(id, title string, worst finding.Severity, basis string, look func(look) []check.Finding) rule {
	return rule{ruleOf(id, title, check.Engine, worst, basis), look}
}

// ruleOf is a rule whose findings nobody mends.
func ruleOf(id, title string, where check.Where, worst finding.Severity, basis string) check.Rule {
	return check.Rule{ID: id, Title: title, Where: where, Worst: worst, Basis: basis}
}
