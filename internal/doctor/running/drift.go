package running

import (
	"context"
	"maps"
	"slices"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/recreate"
)

// driftCheck compares containers with what a start would make: whether they differ is the Compose library's own
// verdict, in which keys is what the record of each container says.
var driftCheck = check.Check[*subject.Subject]{
	Rules: []check.Rule{ruleOf("service.drift", "a container that is not made from the Compose files as they are now",
		check.Engine, finding.Warning,
		"docker compose up makes it anew")},
	Look: func(ctx context.Context, s *subject.Subject) ([]check.Finding, error) {
		if err := s.Running(ctx); err != nil {
			return nil, err
		}
		l, err := newLook(ctx, s)
		if err != nil {
			return nil, err
		}
		project, err := container.Labelled(s.Model.Project.WithoutUnresolvedOptionalDependencies())
		if err != nil {
			return nil, err
		}
		changes, err := recreate.Comparison{
			Engine: s.Engine, Project: project, Records: recreate.In(s.StateDir, project.Name),
		}.Changes(ctx, l.Containers)
		if err != nil {
			return nil, err
		}
		return drifted(l, changes), nil
	},
}

// drifted tells of the containers that a start would make anew. Those of which nothing but the image changed are the
// subject of image.stale.
func drifted(l look, changes recreate.Changes) []check.Finding {
	var out []check.Finding
	for _, service := range slices.Sorted(maps.Keys(changes.Services)) {
		change := changes.Services[service]
		if !change.Recreate || changes.Images[service] {
			continue
		}
		var names []string
		for _, c := range l.Containers[service] {
			names = append(names, c.Name())
		}
		out = append(out, check.Warn("service.drift", "go tool mage restart "+fault.Quote(service), "%s", change.Why).
			Of(service).In(names...).At(l.at(service)).
			Because("what runs is older than that: the next start or restart makes it anew"))
	}
	return out
}
