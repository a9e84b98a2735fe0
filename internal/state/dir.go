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
