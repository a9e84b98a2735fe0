package targets

import (
	"context"
	"os"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack"
	"github.com/25eloquence/compose-mage/stack/backup"
)

// Backup saves the volumes with data, so that they can be restored.
//
// It saves them, the Compose files, .env, the secrets and the images' digests by restic, encrypted, to
// BACKUP_REPOSITORY: all while it runs, then what has changed since, while the services stand still for a moment.
// Print the recovery sheet once, with -key: without the password nobody can restore.
func Backup(ctx context.Context,
	caches *string, // comma-separated volumes that are saved though they hold no data
	list *bool, // list the snapshots
	key *bool, // print the recovery sheet: repository, password, and how to restore
	drill *bool, // prove that a snapshot restores: start it apart from all else, ask it what it holds, remove it
	at *string, // with -drill: the newest snapshot at or before this time, or a snapshot's ID
	prune *bool, // forget old snapshots, remove what none has, and check the repository
	json *bool, // with -dry-run or -list: print JSON
	dryRun *bool, // -dry-run: print what would be saved, or with -drill tried, and how, and change nothing
) error {
	o := backup.Options{}
	var err error
	if o.Caches, err = names(caches); err != nil {
		return fault.Exit(ctx, err)
	}
	chosen := 0
	for _, flag := range []bool{
		value(list, false), value(key, false), value(drill, false), value(prune, false),
		value(dryRun, false) && !value(drill, false),
	} {
		if flag {
			chosen++
		}
	}
	asJSON := value(json, false)
	switch {
	case chosen > 1:
		return fault.Exit(ctx, fault.New(fault.Usage, "go tool mage backup -h",
			"-list, -key, -drill, -prune and -dry-run are each alone, but for -drill -dry-run"))
	case value(at, "") != "" && !value(drill, false):
		return fault.Exit(ctx, fault.New(fault.Usage, "go tool mage backup -drill -at="+fault.Quote(value(at, "")),
			"-at of backup is for -drill"))
	case asJSON && !value(dryRun, false) && !value(list, false):
		return fault.Exit(ctx, fault.New(fault.Usage, "go tool mage backup -list -json",
			"-json of backup is for -dry-run and -list"))
	case value(list, false):
		found, err := backup.List(ctx, o)
		if err != nil {
			return err
		}
		return show(found, asJSON)
	case value(dryRun, false) && value(drill, false):
		d := backup.DrillOptions{At: value(at, "")}
		if asJSON {
			d.Output = os.Stderr
		}
		plan, err := backup.PrepareDrill(ctx, d)
		if err != nil {
			return err
		}
		return show(plan, asJSON)
	case value(dryRun, false):
		plan, err := backup.Prepare(ctx, o)
		if err != nil {
			return err
		}
		return show(plan, asJSON)
	case value(key, false):
		return backup.Key(ctx, o)
	case value(drill, false):
		_, err := backup.Drill(ctx, backup.DrillOptions{At: value(at, "")})
		return err
	case value(prune, false):
		return backup.Prune(ctx, o)
	}
	_, err = backup.Make(ctx, o)
	return err
}

// Restore brings a backup back; nothing that is there is overwritten.
//
// A volume that is not there gets its data under its own name; beside one that has data a new volume is made, and
// with -swap the two change their contents, the old one kept. What was written is compared with the snapshot first.
func Restore(ctx context.Context,
	volumes *string, // comma-separated volumes; all by default
	at *string, // the newest snapshot at or before this time (2026-11-27 15:04), or a snapshot's ID
	swap *bool, // put the data in the place of what is there, which is kept in another volume
	file *string, // comma-separated VOLUME:PATH: only these, into a new directory
	from *string, // a repository, where it is not BACKUP_REPOSITORY; it asks for the password
	project *string, // the project's name, where its Compose files are not here
) error {
	o := backup.RestoreOptions{
		At: value(at, ""), Swap: value(swap, false), From: value(from, ""), Project: value(project, ""),
	}
	var err error
	if o.Volumes, err = names(volumes); err == nil {
		o.Paths, err = names(file)
	}
	switch {
	case err != nil:
		return fault.Exit(ctx, err)
	case o.Project != "" && o.From == "":
		err = fault.New(fault.Usage, "go tool mage restore -from=REPOSITORY -project="+fault.Quote(o.Project),
			"-project is for a repository that -from names")
	case len(o.Paths) > 0 && (o.Swap || len(o.Volumes) > 0):
		err = fault.New(fault.Usage, "go tool mage restore -file=data:dump.rdb",
			"-file restores single files: it goes with neither -swap nor -volumes")
	}
	if err != nil {
		return fault.Exit(ctx, err)
	}
	_, err = backup.Restore(ctx, o)
	return err
}

// setupVolumeImage builds the image of the container that reads the volumes, where this process can't.
func setupVolumeImage(ctx context.Context, dryRun bool) error {
	file, err := backup.ImageProject(ctx, dryRun)
	if err != nil || file == "" {
		return err
	}
	s, err := openWith(ctx, stack.Options{Files: []string{file}})
	if err != nil {
		return err
	}
	_, err = s.Build(ctx, stack.BuildOptions{})
	return err
}
