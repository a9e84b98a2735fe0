package snapshots

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/volumes"
)

// Record is what this machine knows of a project's backups without asking the repository.
type Record struct {
	// Repository is a hash of where the last snapshot went, and of the password.
	Repository string               `json:"repository,omitempty"`
	Last       time.Time            `json:"last,omitzero"` // when the last good snapshot was made
	Snapshot   string               `json:"snapshot,omitempty"`
	Volumes    map[string]time.Time `json:"volumes,omitempty"` // full name -> its last good snapshot
	Failed     string               `json:"failed,omitempty"`  // why the last one failed; "" where it did not
	FailedAt   time.Time            `json:"failed_at,omitzero"`
	Unfinished bool                 `json:"unfinished,omitempty"`  // a run is at work, or was killed
	Pruned     time.Time            `json:"pruned,omitzero"`       // when the repository was last pruned and checked
	Printed    string               `json:"key_printed,omitempty"` // the Repository whose sheet was printed
}

// Dir is the directory of a project's backups in the state directory.
func Dir(project string) (string, error) {
	dir, err := state.ProjectDir(project)
	if err != nil {
		return "", fmt.Errorf("finding what is known of the backups of %q: %w", project, err)
	}
	return filepath.Join(dir, "backup"), nil
}

func recordFile(dir string) string { return filepath.Join(dir, "record.json") }

// ReadRecord gives the record in a directory; an empty one where there is none, or a damaged one.
func ReadRecord(dir string) Record {
	var r Record
	if state.ReadJSON(recordFile(dir), &r) != nil {
		return Record{}
	}
	return r
}

// Keep writes the record.
func (r Record) Keep(dir string) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = state.Keep(recordFile(dir), text)
	}
	if err != nil {
		return fmt.Errorf("recording the backup: %w", err)
	}
	return nil
}

// identity is a hash of a repository's place and its password: another of either is another.
func identity(location string, password []byte) string {
	return fmt.Sprintf("%.16x", sha256.Sum256(append([]byte(location+"\n"), password...)))
}

// Saved says when a volume of the project, by its full name, was last saved from this machine; ok is false where it
// never was.
func Saved(project, volume string) (at time.Time, ok bool) {
	dir, err := Dir(project)
	if err != nil {
		return time.Time{}, false
	}
	at, ok = ReadRecord(dir).Volumes[volume]
	return at, ok
}

// Findings says what is wrong with the project's backups, by this machine's record alone: the last one failed, or
// services were left stopped by one that was killed. A project without backups has none.
func Findings(project string) []finding.Finding {
	dir, err := Dir(project)
	if err != nil {
		return nil
	}
	var out []finding.Finding
	if r := ReadRecord(dir); r.Failed != "" {
		last := "there is no good one"
		if !r.Last.IsZero() {
			last = "the last good one is of " + r.Last.Local().Format("2006-01-02 15:04")
		}
		out = append(out, finding.Warn("backup.failed", "go tool mage backup", "the backup of %s failed: %s; %s",
			r.FailedAt.Local().Format("2006-01-02 15:04"), r.Failed, last))
	}
	out = append(out, ReadDrill(dir).findings(time.Now())...)
	if names := volumes.LeftStopped(project); names != "" {
		out = append(out, finding.Warn("backup.stopped", "go tool mage start",
			"a backup or a restore that was killed has left containers stopped: %s", names))
	}
	return out
}

// DrillEvery is how old the last good drill may be.
const DrillEvery = 31 * 24 * time.Hour

// Drill is what this machine knows of the drills of a project's backups.
type Drill struct {
	Last     time.Time `json:"last,omitzero"` // when the last good one ended
	Snapshot string    `json:"snapshot,omitempty"`
	Seconds  float64   `json:"seconds,omitempty"` // which it took
	Failed   string    `json:"failed,omitempty"`  // why the last one failed; "" where it did not
	FailedAt time.Time `json:"failed_at,omitzero"`
}

func drillFile(dir string) string { return filepath.Join(dir, "drill.json") }

// ReadDrill gives what is known of drills, by the directory of a project's backups; nothing where no drill was made.
func ReadDrill(dir string) Drill {
	var d Drill
	if state.ReadJSON(drillFile(dir), &d) != nil {
		return Drill{}
	}
	return d
}

// Keep writes what is known of drills.
func (d Drill) Keep(dir string) error {
	text, err := json.Marshal(d)
	if err == nil {
		err = state.Keep(drillFile(dir), text)
	}
	if err != nil {
		return fmt.Errorf("recording the drill: %w", err)
	}
	return nil
}

// findings are what is wrong with the drills, at a time.
func (d Drill) findings(now time.Time) []finding.Finding {
	switch {
	case d.Failed != "":
		return []finding.Finding{finding.Warn("backup.drill", "go tool mage backup -drill",
			"the drill of %s failed: %s", d.FailedAt.Local().Format("2006-01-02 15:04"), d.Failed)}
	case !d.Last.IsZero() && now.Sub(d.Last) > DrillEvery:
		return []finding.Finding{finding.Warn("backup.drill", "go tool mage backup -drill",
			"the last good drill of the backups is of %s", d.Last.Local().Format("2006-01-02"))}
	}
	return nil
}

// NotThere says whether an error is of a file that is not there.
func NotThere(err error) bool { return errors.Is(err, fs.ErrNotExist) }
