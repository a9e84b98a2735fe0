package lifecycle

import (
	"context"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/plan"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// ExplainContainers prints why the services' containers were made in the place of others, as far as that was kept, and
// why the next start would make them anew. Nothing is changed.
func ExplainContainers(
	ctx context.Context, e *engine.Engine, project *types.Project, records recreate.Records, services []string,
	out *ui.Out,
) error {
	next, err := PlanStart(ctx, e, project, records)
	if err != nil {
		return err
	}
	found, err := container.List(ctx, e, project.Name)
	if err != nil {
		return err
	}
	for _, service := range services {
		for _, c := range found[service] {
			if record, _ := records.Of(c.ID); record.Why != "" {
				made := time.Unix(c.Created, 0).Format(time.DateTime)
				out.Info("%s was made anew %s: %s", strings.TrimPrefix(c.Names[0], "/"), made, record.Why)
			}
		}
		if step := next.Step(service); step.Do == plan.ActionRecreate {
			out.Info("%s: the next start makes it anew: %s", service, step.Why)
		}
	}
	return nil
}
