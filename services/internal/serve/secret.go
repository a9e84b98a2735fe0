package serve

import (
	"fmt"
	"os"
	"strings"
)

// Secret reads the file that the environment variable names (Docker mounts secrets under
// /run/secrets) without surrounding white space. A missing variable, an unreadable file and an
// empty file are errors; none of them quotes what was read.
func Secret(variable string) (string, error) {
	secret, err := OptionalSecret(variable)
	if err == nil && secret == "" {
		err = fmt.Errorf("reading secret: %s names no file, or an empty one", variable)
	}
	return secret, err
}

// OptionalSecret is Secret where absence is an answer: "" for a missing variable or an empty
// file. A file that is named but can't be read stays an error.
func OptionalSecret(variable string) (string, error) {
	path := os.Getenv(variable)
	if path == "" {
		return "", nil
	}
	content, err := os.ReadFile(path) // #nosec G304 G703 -- the operator names the file
	if err != nil {
		return "", fmt.Errorf("reading secret %s: %w", variable, err)
	}
	return strings.TrimSpace(string(content)), nil
}
