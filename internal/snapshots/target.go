package snapshots

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/restic"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Variables of the environment, or of .env.
const (
	RepositoryVariable = "BACKUP_REPOSITORY"    // where to, as restic takes it
	PasswordVariable   = "BACKUP_PASSWORD_FILE" // the file that has the repository's password
	PatienceVariable   = "BACKUP_PATIENCE"      // how long the target may fail or be silent, as 5m
)

// Target is a repository that was opened.
type Target struct {
	Repository restic.Repository
	Identity   string // of the place and the password, as records have it
}

// Location is where a project's backups go. A directory is meant from the project's own.
func Location(project *types.Project) (string, error) {
	location := project.Environment[RepositoryVariable]
	if location == "" {
		location = extension.BackupsOf(project).Repository
	}
	if location == "" {
		return "", fault.New(fault.Config, RepositoryVariable+"=/mnt/backup in .env, or sftp:USER@HOST:/DIRECTORY, or "+
			"s3:https://HOST/BUCKET; then the same command again",
			"the backups of %q have no place to go: %s is not set", project.Name, RepositoryVariable)
	}
	return absoluteLocation(location, project.WorkingDir), nil
}

func absoluteLocation(location, dir string) string {
	if path := strings.TrimPrefix(location, "local:"); restic.IsLocal(location) && !filepath.IsAbs(path) {
		return filepath.Join(dir, path)
	}
	return location
}

// passwordFile is the file that has the password, whether or not it is there.
func passwordFile(project *types.Project) (string, error) {
	path := project.Environment[PasswordVariable]
	switch {
	case path == "":
		dir, err := state.KeptDir(project.Name)
		return filepath.Join(dir, "backup-password"), err
	case !filepath.IsAbs(path):
		return filepath.Join(project.WorkingDir, path), nil
	}
	return path, nil
}

// Open opens the project's repository. Where there is none yet, and make says so, it makes one, with a password that
// it writes to a file of mode 0600 before.
func Open(ctx context.Context, project *types.Project, out *ui.Out, make bool) (Target, error) {
	program, err := restic.Find(ctx)
	if err != nil {
		return Target{}, err
	}
	location, err := Location(project)
	if err != nil {
		return Target{}, err
	}
	dir, err := Dir(project.Name)
	if err != nil {
		return Target{}, err
	}
	t := Target{}
	if t.Repository, err = repositoryOf(project, program, location, dir, out); err != nil {
		return t, err
	}
	fresh, password, err := t.password(make)
	if err != nil {
		return t, err
	}
	t.Identity = identity(location, password)
	if !fresh && t.isKnown(dir) {
		return t, nil
	}
	exists, err := t.Repository.Exists(ctx)
	if make && restic.CauseOf(err) == fault.ResticNoBucket {
		err = nil // restic makes the bucket too, where it may
	}
	switch {
	case restic.CauseOf(err) == fault.ResticWrongPassword && fresh:
		_ = os.Remove(t.Repository.PasswordFile) // it opens nothing
		return t, fault.New(fault.Config, PasswordVariable+
			"=FILE, one with the password of its recovery sheet, before the same command",
			"the repository %q is there already, and its password is not known here", fault.Redact(location))
	case err != nil || exists:
		return t, err
	case !make:
		return t, fault.New(fault.Failed, "go tool mage backup", "there is no repository at %q yet",
			fault.Redact(location))
	case ReadRecord(dir).Repository == t.Identity:
		return t, fault.New(fault.Failed, "mount it, or see what became of it; "+RepositoryVariable+
			" with another place begins anew", "the repository %q, to which backups went before, is gone",
			fault.Redact(location))
	}
	if err := t.Repository.Init(ctx); err != nil {
		return t, err
	}
	out.Done("repository made at %s", fault.Redact(location))
	return t, nil
}

// isKnown says whether the last backup went to this repository, a directory of this machine that is still there: nobody
// need ask restic, which takes more than half a second of CPU to open a repository.
func (t Target) isKnown(dir string) bool {
	if !restic.IsLocal(t.Repository.Location) || ReadRecord(dir).Repository != t.Identity {
		return false
	}
	info, err := os.Stat(filepath.Join(strings.TrimPrefix(t.Repository.Location, "local:"), "config"))
	return err == nil && info.Mode().IsRegular()
}

// repositoryOf is the repository at a place, as a project's variables have it used; dir is that of the project's
// backups in the state directory.
func repositoryOf(project *types.Project, program restic.Program, location, dir string, out *ui.Out) (
	r restic.Repository, err error,
) {
	r = restic.Repository{
		Program: program, Location: location, Env: restic.Environment(project.Environment),
		CacheDir: filepath.Join(dir, "cache"),
		Waits:    func(why string) { out.Warn("the target fails, and restic tries again: %s", why) },
	}
	if text := project.Environment[PatienceVariable]; text != "" {
		if r.Patience, err = time.ParseDuration(text); err != nil || r.Patience <= 0 {
			return r, fault.New(fault.Config, PatienceVariable+"=5m before the same command", "%s=%q is no time",
				PatienceVariable, text)
		}
	}
	r.PasswordFile, err = passwordFile(project)
	return r, err
}

// password reads the password's file, or writes a new one where there is none and make says so.
func (t Target) password(make bool) (fresh bool, password []byte, err error) {
	path := t.Repository.PasswordFile
	password, err = bounded.ReadFile(path)
	switch {
	case err == nil && len(strings.TrimSpace(string(password))) == 0:
		return false, nil, fault.New(fault.Config, PasswordVariable+"=FILE, one with the password",
			"the password of the repository: %q is empty", path)
	case err == nil:
		return false, password, nil
	case !errors.Is(err, os.ErrNotExist):
		return false, nil, fault.New(fault.Config, "the same command as the user whose file it is",
			"reading the password of the repository: %w", err)
	case !make || os.Getenv(PasswordVariable) != "":
		return false, nil, fault.New(fault.Config, PasswordVariable+
			"=FILE, one with the password of the recovery sheet, before the same command",
			"the password of the repository is not known here: %w", err)
	}
	password = []byte(rand.Text() + rand.Text() + "\n")
	if err := state.Keep(path, password); err != nil {
		return false, nil, fmt.Errorf("writing the password of the repository: %w", err)
	}
	return true, password, nil
}

// Sheet is what a person needs to restore without this machine and without this program.
type Sheet struct {
	Project    string
	Repository string // with its user and password, where the address has them
	Password   string
	identity   string
	dir        string
}

// SheetOf gives the recovery sheet of a project's repository.
func SheetOf(ctx context.Context, project *types.Project, out *ui.Out) (Sheet, error) {
	t, err := Open(ctx, project, out, true)
	if err != nil {
		return Sheet{}, err
	}
	password, err := bounded.ReadFile(t.Repository.PasswordFile)
	if err != nil {
		return Sheet{}, fmt.Errorf("reading the password of the repository: %w", err)
	}
	dir, err := Dir(project.Name)
	return Sheet{
		Project: project.Name, Repository: t.Repository.Location, Password: strings.TrimSpace(string(password)),
		identity: t.Identity, dir: dir,
	}, err
}

// Text is the sheet.
func (s Sheet) Text() string {
	lines := []string{
		"RECOVERY SHEET of the backups of " + s.Project,
		"Keep it where the machine and its disks are not: whoever has it can read the backups, and without the",
		"password nobody can.",
		"",
		"  repository  " + s.Repository,
		"  password    " + s.Password,
		"",
		"With compose-mage, in an empty directory or a clone, on a machine with Docker (it asks for the password):",
		"  go tool mage restore -from=" + fault.Quote(s.Repository) + " -project=" + fault.Quote(s.Project),
		"",
		"Without it, by restic (https://restic.net), which asks for the password:",
		"  restic -r " + fault.Quote(s.Repository) + " snapshots --tag " + GoodTag + "," + ProjectTag + s.Project,
		"  restic -r " + fault.Quote(s.Repository) + " restore latest --tag " + GoodTag + "," + ProjectTag + s.Project +
			" --target ./restored",
		"  restic -r " + fault.Quote(s.Repository) + " check",
		"There ./restored/volumes/KEY has the files of each volume, ./restored/volumes-large/KEY those large files of",
		"it that were being written to, ./restored/project the Compose files, .env and the secrets, and",
		"./restored/manifest.json which volume is called what, with its labels and options. For the volume data of",
		"the project shop, for example:",
		"  docker volume create --label " + container.ProjectLabel + "=shop --label " + container.VolumeLabel +
			"=data shop_data",
		"  cp -a ./restored/volumes/data/. \"$(docker volume inspect -f '{{.Mountpoint}}' shop_data)/\"",
		"  cp -a ./restored/volumes-large/data/. \"$(docker volume inspect -f '{{.Mountpoint}}' shop_data)/\"",
		"The last one only where there is such a directory.",
	}
	return strings.Join(lines, "\n") + "\n"
}

// Print writes the sheet, line by line.
func (s Sheet) Print(w io.Writer) {
	for line := range strings.Lines(s.Text()) {
		ui.Fprintf(w, "%s\n", strings.TrimSuffix(line, "\n"))
	}
}

// Printed records that the sheet was printed.
func (s Sheet) Printed() error {
	r := ReadRecord(s.dir)
	r.Printed = s.identity
	return r.Keep(s.dir)
}

// SheetMissing says whether the sheet of the repository that is used now was never printed.
func SheetMissing(project string) bool {
	dir, err := Dir(project)
	if err != nil {
		return false
	}
	r := ReadRecord(dir)
	return r.Repository != "" && r.Printed != r.Repository
}
