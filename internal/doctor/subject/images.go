package subject

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// imageQuestions is how many images are asked for at a time.
const imageQuestions = 8

// Images are what the engine has under the names of the project's images; one that it does not have is not there.
type Images map[string]client.ImageInspectResult

// ImageName is the name of a service's image.
func ImageName(project string, s types.ServiceConfig) string {
	return api.GetImageNameOrDefault(s, project)
}

// Of gives a service's image.
func (i Images) Of(project string, s types.ServiceConfig) (client.ImageInspectResult, bool) {
	found, ok := i[api.GetImageNameOrDefault(s, project)]
	return found, ok
}

// Images gives what the engine has of the images of the project's services.
func (s *Subject) Images(ctx context.Context) (Images, error) {
	return s.images.get(func() (Images, error) {
		e, p, err := s.Connected()
		if err != nil {
			return nil, err
		}
		var names []string
		for _, service := range p.Services {
			names = append(names, api.GetImageNameOrDefault(service, p.Name))
		}
		slices.Sort(names)
		var mu sync.Mutex
		found := Images{}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(imageQuestions)
		for _, name := range slices.Compact(names) {
			g.Go(func() error {
				image, err := e.ImageInspect(ctx, name)
				switch {
				case cerrdefs.IsNotFound(err), cerrdefs.IsInvalidArgument(err):
					return nil
				case err != nil:
					return fmt.Errorf("inspecting image %q: %w", name, err)
				}
				mu.Lock()
				defer mu.Unlock()
				found[name] = image
				return nil
			})
		}
		return found, g.Wait()
	})
}
