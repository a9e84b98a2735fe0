// Package state owns the directory where runs leave things for the next one: where it is, files that are replaced
// whole, and locks. What is in the files is their writers'.
package state

import (
	"fmt"
	"os"
	"path/filepath"
)

// Variable is the environment variable that names another state directory.
const Variable = "COMPOSE_MAGE_STATE"

// Dir is the state directory: compose-mage in the user's cache directory, or what COMPOSE_MAGE_STATE names. It need not
// exist.
func Dir() (string, error) {
	if dir := os.Getenv(Variable); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("resolving %s=%q: %w", Variable, dir, err)
		}
		return abs, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the state directory: %w; set %s", err, Variable)
	}
	return filepath.Join(cache, "compose-mage"), nil
}

// KeptDir is the directory of a project for what must not go when somebody empties a cache, such as the passwords of
// backups: in the user's configuration directory, or in the state directory that COMPOSE_MAGE_STATE names. It need not
// exist.
func KeptDir(project string) (string, error) {
	if os.Getenv(Variable) != "" {
		return ProjectDir(project)
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("finding the directory for what is kept of %q: %w; set %s", project, err, Variable)
	}
	return filepath.Join(config, "compose-mage", project), nil
}
