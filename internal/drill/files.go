package drill

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// onlyFiles is an error where a directory has anything but files and directories. A backup saves nothing else of the
// project itself, and a link would have a service see, and write to, what it leads to on this machine.
func onlyFiles(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("looking at the project's files: %w", err)
		}
		if !e.IsDir() && !e.Type().IsRegular() {
			rel, _ := filepath.Rel(dir, path)
			return fault.New(fault.Failed, again, "the snapshot has %q in the project, which is no file", rel)
		}
		return nil
	})
}

// reaches is a path at or below another by which a process outside can be reached, even where nobody may write: a
// socket, a pipe or a device; "" where there is none, or nothing can be said.
func reaches(path string) (found string, err error) {
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	err = filepath.WalkDir(path, func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.Type()&(fs.ModeSocket|fs.ModeNamedPipe|fs.ModeDevice) != 0 {
			found = at
			return fs.SkipAll
		}
		return nil
	})
	return found, err
}

// lacking says which secrets and configs services use whose files the snapshot does not have. This machine may have
// them still; the one on which the snapshot is restored some day will not.
func lacking(project *types.Project, dir string) error {
	var lacks []string
	say := func(service, kind, name, file string) {
		if rel, err := filepath.Rel(dir, file); file != "" && (err != nil || !filepath.IsLocal(rel) || !exists(file)) {
			lacks = append(lacks, fmt.Sprintf("the %s %q of %s (%s)", kind, name, service, file))
		}
	}
	for _, service := range project.ServiceNames() {
		for _, s := range project.Services[service].Secrets {
			say(service, "secret", s.Source, project.Secrets[s.Source].File)
		}
		for _, c := range project.Services[service].Configs {
			say(service, "config", c.Source, project.Configs[c.Source].File)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	slices.Sort(lacks)
	return fault.New(fault.Failed, again, "the snapshot lacks a file: %s", strings.Join(lacks, ", "))
}
