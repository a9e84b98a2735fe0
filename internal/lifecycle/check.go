package lifecycle

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// checkFiles names the first secret or config of a service whose file is not there: the engine would only say that a
// mount has no source.
func checkFiles(project *types.Project) error {
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		for _, use := range s.Secrets {
			secret := project.Secrets[use.Source]
			next := "write the file " + secret.File
			if _, ok := compose.Generated(secret); ok {
				next = "go tool mage setup"
			}
			if err := checkFile(name, "secret", use.Source, secret.File, next); err != nil {
				return err
			}
		}
		for _, use := range s.Configs {
			file := project.Configs[use.Source].File
			if err := checkFile(name, "config", use.Source, file, "write the file "+file); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkFile(service, kind, name, path, next string) error {
	if path == "" {
		return nil
	}
	if _, err := os.Stat(path); err != nil {
		return fault.New(fault.Config, next, "starting %q: %s %q: %w", service, kind, name, err)
	}
	return nil
}

// checkImages names the services whose image was never built, before anything is created.
func checkImages(ctx context.Context, e *engine.Engine, project *types.Project) error {
	var mu sync.Mutex
	lacking := map[string]bool{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for name, s := range project.Services {
		if s.Build == nil {
			continue // Compose pulls it
		}
		g.Go(func() error {
			_, err := e.ImageInspect(ctx, api.GetImageNameOrDefault(s, project.Name))
			if cerrdefs.IsNotFound(err) {
				mu.Lock()
				lacking[name] = true
				mu.Unlock()
				return nil
			}
			if err != nil {
				return fmt.Errorf("looking for the image of %q: %w", name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var missing []string
	for _, name := range project.ServiceNames() {
		if lacking[name] {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fault.New(fault.Config, "go tool mage build "+strings.Join(missing, " "), "starting %s: not built yet", quoted(missing))
	}
	return nil
}

func quoted(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }
