package compose

import (
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
)

const platformVariable = "DOCKER_DEFAULT_PLATFORM"

// setDefaultPlatform gives the services that are built, and name no platform, the one of DOCKER_DEFAULT_PLATFORM. It is
// in the hash then. The library applies the variable itself to pulls and to containers of the other services.
func setDefaultPlatform(project *types.Project) {
	platform := project.Environment[platformVariable]
	if platform == "" {
		return
	}
	for name, s := range project.Services {
		if s.Build != nil && s.Platform == "" {
			s.Platform = platform
			project.Services[name] = s
		}
	}
}

// CheckPlatforms returns a Config error for the first service whose build.platforms lacks the default platform: docker
// compose neither builds nor starts it. That they lack the service's own is refused when it is loaded.
func CheckPlatforms(project *types.Project) error {
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		if s.Build != nil && s.Platform != "" && len(s.Build.Platforms) > 0 && !slices.Contains(s.Build.Platforms, s.Platform) {
			return fault.New(fault.Config, "", "service %q: build.platforms does not have %s, which %s asks for",
				name, s.Platform, platformVariable)
		}
	}
	return nil
}
