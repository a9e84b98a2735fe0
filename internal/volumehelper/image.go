package volumehelper

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	cerrdefs "github.com/containerd/errdefs"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
)

//go:embed Dockerfile
var recipe string

// project is what a build makes the image of.
const project = "name: volume-helper\nservices: {volume-helper: {image: " + Image + ", build: .}}\n"

// WriteProject writes a project whose build makes the image, and gives the path of its Compose file.
func WriteProject() (composeFile string, err error) {
	dir, err := state.Dir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "volume-helper")
	if err := state.MakeDir(dir); err != nil {
		return "", err
	}
	composeFile = filepath.Join(dir, "compose.yaml")
	for name, text := range map[string]string{composeFile: project, filepath.Join(dir, "Dockerfile"): recipe} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("writing the recipe of the image that reads volumes: %w", err)
		}
	}
	return composeFile, nil
}

// Ready is an error where the engine does not have the image.
func Ready(ctx context.Context, e *engine.Engine) error {
	_, err := e.ImageInspect(ctx, Image)
	switch {
	case cerrdefs.IsNotFound(err):
		return missing()
	case err != nil:
		return fmt.Errorf("looking at the image that reads volumes: %w", err)
	}
	return nil
}

func missing() error {
	return fault.New(fault.Config, "go tool mage setup -backup, which makes it",
		"the files of the engine's volumes can't be read from here, and the image %q, in a container of which they "+
			"can, is not there", Image)
}
