// Package snapshots owns what is kept of a project: the repository that its snapshots are in, with the password, what
// a snapshot holds, and what this machine remembers of its backups. The package makes and restores none.
package snapshots

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Snapshot is a good snapshot of a project.
type Snapshot struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Host    string    `json:"host"`    // the machine that made it
	Volumes []string  `json:"volumes"` // by key
	Moved   []string  `json:"-"`       // those of which the files may be others than the manifest has counted
}

// List gives the project's good snapshots, oldest first.
func (t Target) List(ctx context.Context, project string) ([]Snapshot, error) {
	all, err := t.Repository.Snapshots(ctx, GoodTag, ProjectTag+project)
	if err != nil {
		return nil, err
	}
	out := []Snapshot{}
	for _, s := range all {
		one := Snapshot{ID: s.Short(), Time: s.Time, Host: s.Host, Volumes: []string{}}
		for _, tag := range s.Tags {
			if key, ok := strings.CutPrefix(tag, VolumeTag); ok {
				one.Volumes = append(one.Volumes, key)
			}
			if key, ok := strings.CutPrefix(tag, MovedTag); ok {
				one.Moved = append(one.Moved, key)
			}
		}
		slices.Sort(one.Volumes)
		out = append(out, one)
	}
	return out, nil
}

// Print writes a line for each snapshot.
func Print(out *ui.Out, project, repository string, all []Snapshot) {
	out.Title("snapshots of %s in %s", project, fault.Redact(repository))
	if len(all) == 0 {
		out.Info("none yet; go tool mage backup makes one")
		return
	}
	var rows [][]string
	for _, s := range all {
		rows = append(rows, []string{
			s.ID, s.Time.Local().Format("2006-01-02 15:04:05"), s.Host, strings.Join(s.Volumes, ", "),
		})
	}
	ui.Table(out.Writer(), []string{"SNAPSHOT", "TIME", "MACHINE", "VOLUMES"}, rows)
}

// moments are the ways in which a point in time is written, with what is added to it: a minute means its last second.
var moments = []struct {
	layout string
	whole  time.Duration
}{
	{time.RFC3339, 0},
	{"2006-01-02 15:04:05", time.Second},
	{"2006-01-02T15:04:05", time.Second},
	{"2006-01-02 15:04", time.Minute},
	{"2006-01-02T15:04", time.Minute},
	{"2006-01-02", 24 * time.Hour},
}

// Choose gives the snapshot that at means: the beginning of an ID, or a point in time, for the newest snapshot at or
// before it; "" is the newest.
func Choose(all []Snapshot, at string, zone *time.Location) (Snapshot, error) {
	const next = "go tool mage backup -list"
	if len(all) == 0 {
		return Snapshot{}, fault.New(fault.Failed, "go tool mage backup",
			"the repository has no snapshot of the project")
	}
	if at == "" {
		return all[len(all)-1], nil
	}
	for _, m := range moments {
		t, err := time.ParseInLocation(m.layout, at, zone)
		if err != nil {
			continue
		}
		if m.whole > 0 {
			t = t.Add(m.whole - time.Nanosecond)
		}
		for _, s := range slices.Backward(all) {
			if !s.Time.After(t) {
				return s, nil
			}
		}
		return Snapshot{}, fault.New(fault.Usage, next, "no snapshot is of %s or before; the first is of %s", at,
			all[0].Time.In(zone).Format("2006-01-02 15:04:05"))
	}
	var found []Snapshot
	for _, s := range all {
		if len(at) >= 4 && strings.HasPrefix(s.ID, at[:min(len(at), len(s.ID))]) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Snapshot{}, fault.New(fault.Usage, next,
			"-at=%s is neither a snapshot nor a time such as 2026-11-27 15:04", at)
	}
	return Snapshot{}, fault.New(fault.Usage, next, "-at=%s may be any of %d snapshots", at, len(found))
}
