package records

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/source"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/snapshots"
)

// backupsCheck asks this machine's own record of backups: another machine may have made some.
var backupsCheck = check.Check[*subject.Subject]{
	Rules: []check.Rule{
		recordRule("backup.old", "the last backup is old", finding.Warning, "docs/backup.md", check.NoFix),
		recordRule("backup.missing", "data that no backup has", finding.Info, "docs/backup.md", check.NoFix),
	},
	Look: func(_ context.Context, s *subject.Subject) ([]check.Finding, error) {
		project, err := s.Project()
		if err != nil {
			return nil, err
		}
		dir, err := snapshots.Dir(project.Name)
		if err != nil {
			return nil, err
		}
		return backups(project, s.Files, snapshots.ReadRecord(dir), time.Now()), nil
	},
}

// backupEvery is how old the last good backup may be where any was made: a daily one and half a day.
const backupEvery = 36 * time.Hour

// backups judges what is known of a project's backups. A project that never had one is told so where its Compose file
// says that a volume holds data.
func backups(p *types.Project, files source.Files, r snapshots.Record, now time.Time) []check.Finding {
	if !r.Last.IsZero() {
		if now.Sub(r.Last) <= backupEvery || r.Failed != "" || r.Unfinished { // backup.failed tells of those
			return nil
		}
		return []check.Finding{check.Warn("backup.old", "go tool mage backup; go tool mage schedule backup",
			"the last good backup is of %s", r.Last.Local().Format("2006-01-02 15:04")).
			Because("whatever was written since is lost with the disk")}
	}
	var data []string
	var at []check.Place
	for _, name := range p.VolumeNames() {
		if saved, said := extension.VolumeSaved(p.Volumes[name]); said && saved ||
			p.Volumes[name].Labels[extension.HoldsLabel] == "data" {
			data, at = append(data, name), append(at, files.Place("volumes", name))
		}
	}
	if len(data) == 0 || r.Failed != "" {
		return nil
	}
	slices.Sort(data)
	return []check.Finding{check.Tell("backup.missing", "go tool mage backup",
		"this machine has made no backup of %s, which the Compose file says holds data", strings.Join(data, ", ")).
		At(at...).Because("a volume is gone with its disk, or with docker compose down -v")}
}
