package extension

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// How a backup makes sure that what it reads of a service's volumes is of one moment.
const (
	BackupFreeze = "freeze" // the service's processes stand still meanwhile; the default
	BackupStop   = "stop"   // the service is stopped, and started again
	BackupDump   = "dump"   // a command in the container gives the data; the files are not read
	BackupNone   = "none"   // the files are read while the service writes to them
)

var backupWays = []string{BackupDump, BackupFreeze, BackupNone, BackupStop}

// Backup is how a service's volumes are saved. The commands are run in the service's container, without a shell.
type Backup struct {
	By     string   `yaml:"by"`     // one of the ways; "" is freeze
	Before []string `yaml:"before"` // what has the service write down what it keeps in memory
	After  []string `yaml:"after"`  // undoes that, once the files were read or could not be
	Dump   []string `yaml:"dump"`   // prints the data: its output is in the snapshot, beside the volumes
	Facts  []string `yaml:"facts"`  // prints lines of a name and a value, which a drill compares with what was restored
}

// UnmarshalYAML reads a way alone, or a map.
func (b *Backup) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		b.By = n.Value
		return nil
	}
	type plain Backup
	return n.Decode((*plain)(b))
}

// Keep is how many snapshots stay: the last ones, and the last of each hour, day, week and month that has one. All 0 is
// the default.
type Keep struct {
	Last    int `yaml:"last"`
	Hourly  int `yaml:"hourly"`
	Daily   int `yaml:"daily"`
	Weekly  int `yaml:"weekly"`
	Monthly int `yaml:"monthly"`
}

// Backups is what a project says of all its backups.
type Backups struct {
	Repository string        `yaml:"repository"` // where to, as restic takes it; BACKUP_REPOSITORY comes before it
	Freeze     time.Duration `yaml:"freeze"`     // the longest that services may stand still; 0 for the default
	Keep       *Keep         `yaml:"keep"`       // nil for the default
	// Drill is run by a drill in place of the smoke test; what it prints need not be JSON. nil for none.
	Drill *Smoke `yaml:"drill"`
}

// BackupOf gives what the service says of how it is saved; By is never empty.
func BackupOf(s types.ServiceConfig) Backup {
	var e onService
	b := Backup{}
	if decode(s.Extensions[Key], &e) == nil && e.Backup != nil {
		b = *e.Backup
	}
	if b.By == "" {
		b.By = BackupFreeze
	}
	return b
}

// BackupsOf gives what the project says of its backups.
func BackupsOf(project *types.Project) Backups {
	var e onProject
	if decode(project.Extensions[Key], &e) != nil || e.Backup == nil {
		return Backups{}
	}
	return *e.Backup
}

// HoldsLabel is the label by which a volume says whether it holds data or a cache.
const HoldsLabel = "com.25eloquence.volume"

// VolumeSaved gives what a volume's own entry says of whether it is saved; said is false where it says nothing.
func VolumeSaved(v types.VolumeConfig) (saved, said bool) {
	var e onVolume
	if decode(v.Extensions[Key], &e) != nil || e.Backup == nil {
		return false, false
	}
	return *e.Backup, true
}

// check says what is wrong with a service's key.
func (b Backup) check() error {
	if b.By != "" && !slices.Contains(backupWays, b.By) {
		return fmt.Errorf("%q is none of %s%s", b.By, strings.Join(backupWays, ", "),
			fault.DidYouMean(b.By, backupWays))
	}
	for name, command := range map[string][]string{
		"before": b.Before, "after": b.After, "dump": b.Dump, "facts": b.Facts,
	} {
		if command != nil && (len(command) == 0 || strings.TrimSpace(command[0]) == "") {
			return fmt.Errorf("%s names no program", name)
		}
	}
	return nil
}

// longestBackupFreeze bounds what a project may ask for: who waits for an answer longer than that has given up.
const longestBackupFreeze = time.Minute

// check says what is wrong with the project's key.
func (b Backups) check() error {
	switch k := b.Keep; {
	case b.Freeze < 0 || b.Freeze > longestBackupFreeze:
		return fmt.Errorf("freeze is between 0s and %s", longestBackupFreeze)
	case k != nil && (k.Last < 0 || k.Hourly < 0 || k.Daily < 0 || k.Weekly < 0 || k.Monthly < 0):
		return errors.New("keep has a number below 0")
	case k != nil && *k == (Keep{}):
		return errors.New("keep keeps nothing: it needs one of last, hourly, daily, weekly and monthly")
	case b.Drill != nil && (b.Drill.Service == "" || len(b.Drill.Command) == 0):
		return errors.New("drill needs a service and a command")
	}
	return nil
}
