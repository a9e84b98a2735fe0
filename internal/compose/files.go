package compose

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/loader"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// defaultFolder is the folder of the Compose files in this repository, and in any that follows its layout.
const defaultFolder = "compose"

// namedFiles are the files that COMPOSE_FILE names; ok is false where the variable is not set. To docker compose an
// empty variable is set.
func (e *environment) namedFiles(remotes []loader.ResourceLoader) (files []string, ok bool, err error) {
	value, ok := e.vars[consts.ComposeFilePath]
	if !ok {
		return nil, false, nil
	}
	separator := e.vars[consts.ComposePathSeparator]
	if separator == "" {
		separator = string(os.PathListSeparator)
	}
	entries := strings.Split(value, separator)
	for i, entry := range entries {
		if local(entry, remotes) {
			entries[i] = absolute(e.dir, entry)
		}
	}
	read := func(o *cli.ProjectOptions) error {
		o.ResourceLoaders = remotes
		o.Environment[consts.ComposePathSeparator] = separator
		o.Environment[consts.ComposeFilePath] = strings.Join(entries, separator)
		return nil
	}
	options, err := cli.NewProjectOptions(nil, read, cli.WithConfigFileEnv)
	if err != nil {
		return nil, true, fault.New(fault.Config, fault.Correct, "%w", err)
	}
	return options.ConfigPaths, true, nil
}

// searchFiles looks for a Compose file, with its override, in dir, then in dir/compose, then as docker compose does in
// the parent directories.
func searchFiles(dir string) ([]string, error) {
	start := dir
	if below := filepath.Join(dir, defaultFolder); !hasComposeFile(dir) && hasComposeFile(below) {
		start = below
	}
	options, err := cli.NewProjectOptions(nil, cli.WithWorkingDirectory(start), cli.WithDefaultConfigPath)
	if err != nil {
		return nil, fault.New(fault.Config, fault.Correct, "looking for a Compose file: %w", err)
	}
	if len(options.ConfigPaths) == 0 {
		return nil, fault.New(fault.Config, "COMPOSE_FILE=path/to/compose.yaml go tool mage check",
			"no Compose file: looked for %s here, in %s/ and in the parent directories",
			strings.Join(cli.DefaultFileNames, ", "), defaultFolder)
	}
	return options.ConfigPaths, nil
}

func hasComposeFile(dir string) bool {
	for _, name := range cli.DefaultFileNames {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// projectDirectory is that of the first file, or dir where that is remote or standard input.
func projectDirectory(dir string, files []string, remotes []loader.ResourceLoader) string {
	for _, file := range files {
		if file == "-" {
			continue
		}
		if !local(file, remotes) {
			break
		}
		return filepath.Dir(file)
	}
	return dir
}

// local says whether the path is of a file on this machine, and not standard input or a path that a loader of remote
// resources takes.
func local(path string, remotes []loader.ResourceLoader) bool {
	for _, r := range remotes {
		if r.Accept(path) {
			return false
		}
	}
	return path != "-"
}
