// Package compose owns what should be: it finds and loads the Compose files with the overlays of the machine's tier,
// validates them, fits limits to the machine and derives runtime settings from them. It is pure: it reads files and
// environment and never talks to an engine.
package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// Request says which stack to load. The zero value is the stack of the current directory, whole.
type Request struct {
	Dir      string         // where to look; "" is the current directory
	Files    []string       // Compose files; empty finds them
	Services []string       // only these and what they depend on; empty is all
	Machine  engine.Machine // the zero value leaves tier and limits as the files have them

	AllProfiles bool // every profile's services count, whatever COMPOSE_PROFILES says
}

// Model is a Compose project as it was loaded and fitted to the machine.
type Model struct {
	Project *types.Project
	Files   []string // Compose files, overlays included, in order
	Tier    string   // "8g", "16g", "32g", or "" where there is no such overlay
	GPU     bool     // the GPU overlay is applied
	Notices []string // what fitting changed, one sentence each

	given map[string]Resources // as the files say, by service
}

// defaultFolder is where this project, and any that follows its layout, keeps its Compose files.
const defaultFolder = "compose"

// Load finds, reads and fits the stack. COMPOSE_FILE, COMPOSE_PROJECT_NAME, COMPOSE_PROFILES and the .env file mean
// what they mean to docker compose; overlays are chosen only where COMPOSE_FILE does not say which files to use.
// Errors are *fault.Error of code Config (with file:line) or Usage (an unknown service or tier, with a suggestion).
func Load(ctx context.Context, r Request) (*Model, error) {
	dir, err := filepath.Abs(r.Dir)
	if err != nil {
		return nil, fmt.Errorf("resolving %q: %w", r.Dir, err)
	}
	s := &Model{Files: r.Files}
	if len(r.Files) == 0 && os.Getenv("COMPOSE_FILE") == "" {
		if err := s.findFiles(dir, r.Machine); err != nil {
			return nil, err
		}
	}
	fns := projectOptions(dir, s.Files)
	if r.AllProfiles {
		fns = append(fns, cli.WithProfiles([]string{"*"}))
	}
	options, err := cli.NewProjectOptions(s.Files, fns...)
	if err != nil {
		return nil, configError(s.Files, err)
	}
	s.Files = options.ConfigPaths
	project, err := options.LoadProject(ctx)
	if err != nil {
		return nil, configError(s.Files, err)
	}
	if s.Project, err = selectServices(project, r.Services); err != nil {
		return nil, err
	}
	s.given = resourcesOfAll(s.Project)
	if r.Machine.CPUs > 0 {
		s.Notices = Fit(s.Project, r.Machine)
	}
	return s, nil
}

// projectOptions follows docker compose's order: environment, then the .env of the current directory, then the .env
// beside the first Compose file.
func projectOptions(dir string, files []string) []cli.ProjectOptionsFn {
	options := []cli.ProjectOptionsFn{cli.WithOsEnv, cli.WithConfigFileEnv, cli.WithDefaultConfigPath}
	if len(files) == 0 && os.Getenv("COMPOSE_FILE") == "" {
		// Where the search in the parent directories begins. Never with COMPOSE_FILE: its paths are relative to the
		// first file's directory.
		options = slices.Insert(options, 0, cli.WithWorkingDirectory(dir))
	}
	return append(options,
		cli.WithEnvFiles(), cli.WithDotEnv,
		cli.WithDefaultProfiles(), cli.WithName(os.Getenv("COMPOSE_PROJECT_NAME")))
}

// findFiles looks for a Compose file in dir, then in dir/compose, and adds the overlays that fit the machine.
func (s *Model) findFiles(dir string, m engine.Machine) error {
	base := composeFileIn(dir)
	if base == "" {
		base = composeFileIn(filepath.Join(dir, defaultFolder))
	}
	if base == "" {
		return nil // docker compose looks in the parent directories, and so does the loader
	}
	s.Files = []string{base}
	if override := overrideOf(base); override != "" {
		s.Files = append(s.Files, override)
	}
	return s.addOverlays(filepath.Dir(base), m)
}

func composeFileIn(dir string) string {
	for _, name := range cli.DefaultFileNames {
		if path := filepath.Join(dir, name); isFile(path) {
			return path
		}
	}
	return ""
}

func overrideOf(base string) string {
	for _, name := range cli.DefaultOverrideFileNames {
		if path := filepath.Join(filepath.Dir(base), name); isFile(path) {
			return path
		}
	}
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// selectServices narrows the project to the named services and what they depend on, enabling the profiles they need.
func selectServices(project *types.Project, names []string) (*types.Project, error) {
	if err := CheckNames(project, names); err != nil {
		return nil, err
	}
	project, err := project.WithServicesEnabled(names...)
	if err != nil {
		return nil, fault.New(fault.Config, "", "selecting services: %w", err)
	}
	if project, err = project.WithSelectedServices(names); err != nil {
		return nil, fault.New(fault.Config, "", "selecting services: %w", err)
	}
	if len(project.Services) == 0 {
		profiles := slices.Sorted(func(yield func(string) bool) {
			for _, p := range project.AllServices().GetProfiles() {
				if !yield(p) {
					return
				}
			}
		})
		return nil, fault.New(fault.Config, "COMPOSE_PROFILES="+strings.Join(profiles, ","),
			"no service is enabled in %s: all belong to profiles that are not active", strings.Join(project.ComposeFiles, ", "))
	}
	return project.WithoutUnnecessaryResources(), nil
}

// CheckNames returns a Usage error for the first name that is no service of the project, with the nearest one.
func CheckNames(project *types.Project, names []string) error {
	known := append(project.ServiceNames(), project.DisabledServiceNames()...)
	slices.Sort(known)
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fault.New(fault.Usage, "", "no service %q%s; this stack has %s",
				name, fault.DidYouMean(name, known), strings.Join(known, ", "))
		}
	}
	return nil
}

// configError gives a loading error the file and line it is about, where that can be found.
func configError(files []string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if strings.Contains(err.Error(), "no configuration file provided") {
		return fault.New(fault.Config, "COMPOSE_FILE=path/to/compose.yaml go tool mage check",
			"no Compose file: looked for %s here, in %s/ and in the parent directories", strings.Join(cli.DefaultFileNames, ", "), defaultFolder)
	}
	if errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.Config, "", "reading the Compose files: %w", err)
	}
	where, text := locate(files, err.Error())
	if where == "" {
		where = strings.Join(files, ", ")
	}
	return fault.New(fault.Config, "", "%s: %s", where, text)
}
