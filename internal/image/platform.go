package image

import (
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// defaultPlatform names the platform of services that say none.
const defaultPlatform = "DOCKER_DEFAULT_PLATFORM"

// platform gives what a service's image is built for, by docker compose's rules (cmd/compose/options.go, applyPlatforms): what the
// service runs on; else, of an image that is pushed, all that the build section lists; else the one that it lists. An engine is
// given one platform: of several listed ones the builder's own, as docker compose up does.
func platform(project *types.Project, s types.ServiceConfig, o PlanOptions) (string, error) {
	if o.Platforms != "" {
		return o.Platforms, nil
	}
	listed, runs := s.Build.Platforms, s.Platform
	if preset := project.Environment[defaultPlatform]; runs == "" && preset != "" {
		if len(listed) > 0 && !slices.Contains(listed, preset) {
			return "", fmt.Errorf("building %q: %s=%s is not among its build.platforms (%s)", s.Name, defaultPlatform, preset, strings.Join(listed, ", "))
		}
		runs = preset
	}
	if runs != "" && len(listed) > 0 && !slices.Contains(listed, runs) {
		return "", fmt.Errorf("building %q: its platform %s is not among its build.platforms (%s)", s.Name, runs, strings.Join(listed, ", "))
	}
	switch {
	case o.Push && len(listed) > 0:
		return strings.Join(listed, ","), nil
	case runs != "":
		return runs, nil
	case len(listed) == 1:
		return listed[0], nil
	}
	return "", nil
}
