package backup

import (
	"context"
	"fmt"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/restic"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// defaultKeep is how many snapshots stay, unless the Compose file says otherwise.
var defaultKeep = restic.Keep{Last: 3, Daily: 7, Weekly: 5, Monthly: 12}

// pruneEvery is how often Tidy has the repository pruned and checked.
const pruneEvery = 7 * 24 * time.Hour

// checkPart is the part of the data that a check reads: another each week, and all of it within a year.
func checkPart(now time.Time) string {
	_, week := now.ISOWeek()
	return fmt.Sprintf("%d/52", min(week, 52))
}

// keepOf is how many snapshots of a project stay.
func keepOf(project *types.Project) restic.Keep {
	k := extension.BackupsOf(project).Keep
	if k == nil {
		return defaultKeep
	}
	return restic.Keep{Last: k.Last, Hourly: k.Hourly, Daily: k.Daily, Weekly: k.Weekly, Monthly: k.Monthly}
}

// retain forgets the snapshots that are too many, and gives those that stay.
func retain(ctx context.Context, t snapshots.Target, project *types.Project) ([]restic.Snapshot, error) {
	return t.Repository.Retain(ctx, keepOf(project), snapshots.GoodTag, snapshots.ProjectTag+project.Name)
}

// Tidy removes, where it was not done for a week, what no snapshot has any more, and checks the repository: its
// structure, and a part of the data. Where force says so it does that in any case, and forgets the snapshots that are
// too many before, as each backup does.
func Tidy(ctx context.Context, t snapshots.Target, project *types.Project, out *ui.Out, force bool) error {
	dir, err := snapshots.Dir(project.Name)
	if err != nil {
		return err
	}
	if force {
		err = out.Step(ctx, "forgetting what is older than is kept", func(ctx context.Context, _ func(string)) error {
			_, err := retain(ctx, t, project)
			return err
		})
		if err != nil {
			return err
		}
	}
	record := snapshots.ReadRecord(dir)
	switch {
	case force:
	case record.Pruned.IsZero(): // a week from now
		record.Pruned = time.Now()
		return record.Keep(dir)
	case time.Since(record.Pruned) < pruneEvery:
		return nil
	}
	err = out.Step(ctx, "removing what no snapshot has", func(ctx context.Context, _ func(string)) error {
		return t.Repository.Prune(ctx)
	})
	if err != nil {
		return err
	}
	err = out.Step(ctx, "checking the repository", func(ctx context.Context, _ func(string)) error {
		return t.Repository.Check(ctx, checkPart(time.Now()))
	})
	if err != nil {
		return err
	}
	record = snapshots.ReadRecord(dir)
	record.Pruned = time.Now()
	return record.Keep(dir)
}
