package snapshots

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/term"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/restic"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// OpenFrom opens a repository that is named by hand, with a password that is asked for where neither
// BACKUP_PASSWORD_FILE nor restic's own variables have it, nor this machine knows it. done is called with whether the
// restore worked: the password stays then, where this machine had none.
func OpenFrom(ctx context.Context, location string, project *types.Project, in io.Reader, out *ui.Out) (t Target,
	done func(worked bool), err error,
) {
	done = func(bool) {}
	program, err := restic.Find(ctx)
	if err != nil {
		return t, done, err
	}
	dir, err := Dir(project.Name)
	if err != nil {
		return t, done, err
	}
	t.Repository, err = repositoryOf(project, program, absoluteLocation(location, project.WorkingDir), dir, out)
	if err != nil {
		return t, done, err
	}
	given, err := givenPassword(project, t.Repository.PasswordFile, in, out)
	if err != nil {
		return t, done, err
	}
	if given != "" {
		known := t.Repository.PasswordFile
		t.Repository.PasswordFile = known + ".given"
		if err := state.Keep(t.Repository.PasswordFile, []byte(given+"\n")); err != nil {
			return t, done, fmt.Errorf("writing the password for restic: %w", err)
		}
		done = func(worked bool) {
			if _, err := os.Stat(known); worked && NotThere(err) && os.Rename(t.Repository.PasswordFile, known) == nil {
				return
			}
			_ = os.Remove(t.Repository.PasswordFile)
		}
	}
	exists, err := t.Repository.Exists(ctx)
	if err == nil && !exists {
		err = fault.New(fault.Usage, "go tool mage restore -from=REPOSITORY, as the recovery sheet has it",
			"there is no repository at %q", fault.Redact(t.Repository.Location))
	}
	if err != nil {
		done(false)
	}
	return t, done, err
}

// givenPassword is the password that restic's variables have, or a person types; "" where a file has it.
func givenPassword(project *types.Project, file string, in io.Reader, out *ui.Out) (string, error) {
	if project.Environment[PasswordVariable] != "" {
		return "", nil
	}
	if path := os.Getenv("RESTIC_PASSWORD_FILE"); path != "" {
		return "", fault.New(fault.Usage, PasswordVariable+"="+fault.Quote(path)+" before the same command",
			"the password's file is named by %s here", PasswordVariable)
	}
	if password := os.Getenv("RESTIC_PASSWORD"); password != "" {
		return password, nil
	}
	if _, err := os.Stat(file); err == nil {
		return "", nil
	}
	out.Info("the password of the repository, from the recovery sheet:")
	if f, ok := in.(*os.File); ok && term.IsTerminal(f.Fd()) {
		if before, err := term.SaveState(f.Fd()); err == nil && term.DisableEcho(f.Fd(), before) == nil {
			defer func() { _ = term.RestoreTerminal(f.Fd(), before) }()
		}
	}
	scanner := bufio.NewScanner(io.LimitReader(in, mostPassword)) // no further than the line on a terminal
	scanner.Scan()
	if err := scanner.Err(); err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	line := strings.TrimSpace(scanner.Text())
	if line == "" {
		return "", fault.New(fault.Usage,
			PasswordVariable+"=FILE before the same command, or the password on its input", "no password was given")
	}
	return line, nil
}

// mostPassword is the longest line that is read for a password, in bytes.
const mostPassword = 4096
