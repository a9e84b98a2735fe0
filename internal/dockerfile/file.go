package dockerfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// MaxBytes is the largest Dockerfile, ignore file or secret that is read, in bytes.
const MaxBytes = 8 << 20

// Remote says whether a build context is fetched by the builder.
func Remote(context string) bool {
	return strings.Contains(context, "://") || strings.HasPrefix(context, "git@") ||
		strings.HasPrefix(context, "github.com/")
}

// Path is where the Dockerfile of that name is ("" for the default) of a build context on this machine. As for docker
// build, the default may be in lower case.
func Path(context, name string) string {
	path := name
	if path == "" {
		path = "Dockerfile"
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(context, path)
	}
	if _, err := os.Stat(path); err != nil && filepath.Base(path) == "Dockerfile" {
		lower := filepath.Join(filepath.Dir(path), "dockerfile")
		if _, err := os.Stat(lower); err == nil {
			return lower
		}
	}
	return path
}

// Located puts file:line before an error of Parse, or the file alone where no line is known.
func Located(file string, err error) error {
	var at *parser.LocationError
	if !errors.As(err, &at) || len(at.Locations) == 0 || len(at.Locations[0]) == 0 {
		return fmt.Errorf("%s: %w", file, err)
	}
	line := at.Locations[0][0].Start.Line
	return fmt.Errorf("%s:%d: %s", file, line,
		strings.TrimPrefix(err.Error(), fmt.Sprintf("dockerfile parse error on line %d: ", line)))
}
