package compose

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	composeutils "github.com/docker/compose/v5/pkg/utils"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// Variables of docker compose's command that its packages keep to themselves or have no constant for.
const (
	envFilesVariable      = "COMPOSE_ENV_FILES"
	removeOrphansVariable = "COMPOSE_REMOVE_ORPHANS"
	ignoreOrphansVariable = "COMPOSE_IGNORE_ORPHANS"
	parallelVariable      = "COMPOSE_PARALLEL_LIMIT"
)

// environment is the environment that docker compose's command would have: this process's variables, and below them
// those of the .env files. The command puts the COMPOSE_ variables of .env files into its own process
// (setEnvWithDotEnv); an environment only answers as if they were there.
type environment struct {
	dir      string // stands for the current directory
	vars     types.Mapping
	envFiles []string // what COMPOSE_ENV_FILES names; where it names none, the .env of a directory is read
	looked   []string // the files of variables that were read, or would have been
}

// readEnvironment reads this process's variables and then the .env files that docker compose's command reads before it
// looks for a Compose file: those of COMPOSE_ENV_FILES, else the .env of where.
func readEnvironment(dir, where string) (*environment, error) {
	e := &environment{dir: dir, vars: types.NewMapping(os.Environ())}
	if !regular.SameFile(e.vars["PWD"], dir) { // not where a shell has put us: `mage -w` changes the directory alone
		e.vars["PWD"] = dir
	}
	for _, file := range strings.FieldsFunc(e.vars[envFilesVariable], func(c rune) bool { return c == ',' }) {
		e.envFiles = append(e.envFiles, absolute(dir, file))
	}
	found, err := e.readEnvFiles(where)
	if err != nil {
		return nil, err
	}
	for name, value := range found {
		if _, set := e.vars[name]; !set && strings.HasPrefix(name, "COMPOSE_") {
			e.vars[name] = value
		}
	}
	// Again, as docker compose's loader does: by now a .env file may have said that .env files are not read.
	return e, e.addEnvFiles(where)
}

// addEnvFiles adds the variables that are not set yet.
func (e *environment) addEnvFiles(dir string) error {
	found, err := e.readEnvFiles(dir)
	e.vars.Merge(found)
	return err
}

// readEnvFiles gives the variables of COMPOSE_ENV_FILES, or of the directory's .env unless COMPOSE_DISABLE_ENV_FILE
// forbids it.
func (e *environment) readEnvFiles(dir string) (map[string]string, error) {
	off, err := e.envFilesOff()
	if err != nil || off {
		return nil, err
	}
	options, err := cli.NewProjectOptions(nil, cli.WithWorkingDirectory(dir), cli.WithEnvFiles(e.envFiles...))
	if err != nil {
		return nil, fault.New(fault.Config, fault.Correct, "looking for %s: %w", filepath.Join(dir, ".env"), err)
	}
	e.looked = append(append(e.looked, options.EnvFiles...), filepath.Join(dir, ".env"))
	inspected := &inspection{dir: dir, vars: e.vars, seen: map[string]bool{}}
	for _, file := range options.EnvFiles {
		if err := inspected.envFile(file, ""); err != nil {
			return nil, err
		}
	}
	found, err := dotenv.GetEnvFromFile(e.vars, options.EnvFiles)
	if err != nil {
		return nil, inspected.redacted(nil, configError(options.EnvFiles, nil, err), err)
	}
	return found, nil
}

// envFilesOff says whether COMPOSE_DISABLE_ENV_FILE forbids that .env is read. It does not concern COMPOSE_ENV_FILES.
func (e *environment) envFilesOff() (bool, error) {
	value, set := e.vars[consts.ComposeDisableDefaultEnvFile]
	if !set || len(e.envFiles) > 0 {
		return false, nil
	}
	off, err := strconv.ParseBool(value)
	if err != nil {
		return false, fault.New(fault.Usage, "unset "+fault.Quote(consts.ComposeDisableDefaultEnvFile),
			"%s=%q is not a boolean: use 1 or 0", consts.ComposeDisableDefaultEnvFile, value)
	}
	return off, nil
}

// loaderEnvFiles are the env files that docker compose's loader is told to read. The loader asks this process alone
// for COMPOSE_DISABLE_ENV_FILE, so where a .env file has set that variable, the loader gets a file without variables.
func (e *environment) loaderEnvFiles() []string {
	_, known := os.LookupEnv(consts.ComposeDisableDefaultEnvFile)
	if off, _ := e.envFilesOff(); off && !known {
		return []string{os.DevNull}
	}
	return slices.Clone(e.envFiles)
}

// Settings are what docker compose's command takes from the environment for itself and not for the model.
type Settings struct {
	// COMPOSE_REMOVE_ORPHANS: `up` and `down` remove containers of services that are not in the files
	RemoveOrphans bool
	IgnoreOrphans bool // COMPOSE_IGNORE_ORPHANS: `up` does not mention them
}

// settings reads the variables before the .env beside the Compose file is read: docker compose's command takes
// nothing from that file but COMPOSE_IGNORE_ORPHANS.
func (e *environment) settings() (Settings, error) {
	s := Settings{RemoveOrphans: composeutils.StringToBool(e.vars[removeOrphansVariable])}
	if value, set := e.vars[parallelVariable]; set {
		if _, err := strconv.Atoi(value); err != nil { // what is started at a time follows from the CPUs
			return s, fault.New(fault.Usage, "unset "+parallelVariable, "%s must be an integer (found: %q)",
				parallelVariable,
				value)
		}
	}
	return s, nil
}

// absolute gives the path as seen from dir.
func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// badProjectName gives the error of a COMPOSE_PROJECT_NAME that no project may have: the library blames the files. It
// is nil for any other.
func (e *environment) badProjectName() error {
	value, set := e.vars[consts.ComposeProjectName]
	if !set || value == "" || value == loader.NormalizeProjectName(value) {
		return nil
	}
	where := "the environment"
	if _, ours := os.LookupEnv(consts.ComposeProjectName); !ours {
		where = "a .env file"
	}
	return fault.New(fault.Usage, "COMPOSE_PROJECT_NAME="+fault.Quote(loader.NormalizeProjectName(value))+
		" go tool mage check",
		"%s=%q of %s is no project name: lower-case letters, digits, dashes and underscores, a letter or digit first",
		consts.ComposeProjectName, value, where)
}

// ignoresOrphans reads COMPOSE_IGNORE_ORPHANS, which may come from any .env file.
func ignoresOrphans(vars types.Mapping) bool {
	return composeutils.StringToBool(vars[ignoreOrphansVariable])
}
