package metrics

import "github.com/25eloquence/compose-mage/internal/snapshots"

// backups adds when the project was last saved, and last proved to restore, as far as it ever was from this machine.
func (f families) backups(project string) {
	dir, err := snapshots.Dir(project)
	if err != nil {
		return
	}
	l := labelled(map[string]string{"project": project})
	if saved := snapshots.ReadRecord(dir); !saved.Last.IsZero() {
		f.gauge("compose_mage_backup_last_success_timestamp_seconds", "When the last good backup was made, since 1970.",
			l, seconds(saved.Last))
	}
	if drill := snapshots.ReadDrill(dir); !drill.Last.IsZero() {
		f.gauge("compose_mage_backup_drill_last_success_timestamp_seconds",
			"When a drill last proved that a backup restores, since 1970.", l, seconds(drill.Last))
	}
}
