package compose

import (
	"maps"
	"slices"
	"strings"

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
		if s.Build != nil && s.Platform != "" && len(s.Build.Platforms) > 0 &&
			!slices.Contains(s.Build.Platforms, s.Platform) {
			return fault.New(fault.Config, fault.Correct,
				"service %q: build.platforms does not have %s, which %s asks for",
				name, s.Platform, platformVariable)
		}
	}
	return nil
}

// CheckStartable returns a Config error for a project that docker compose loads and shows, but does not start: one
// without an enabled service, with a platform that a service is not built for, or with a job that runs at set times.
func CheckStartable(project *types.Project) error {
	var scheduled []string
	for _, name := range slices.Sorted(maps.Keys(project.Jobs)) {
		if t := project.Jobs[name].Triggers; t != nil && len(t.Schedule) > 0 {
			scheduled = append(scheduled, name)
		}
	}
	files := strings.Join(project.ComposeFiles, ", ")
	switch profiles := project.AllServices().GetProfiles(); {
	case len(scheduled) > 0:
		return fault.New(fault.Config, fault.Correct,
			"%s: docker compose does not support jobs that run at set times yet: %s",
			files, strings.Join(scheduled, ", "))
	case len(project.Services) > 0:
		return CheckPlatforms(project)
	case len(profiles) == 0:
		return fault.New(fault.Config, fault.Correct, "no service in %s", files)
	default:
		slices.Sort(profiles)
		return fault.New(fault.Config, "COMPOSE_PROFILES="+fault.Quote(strings.Join(profiles, ",")),
			"no service is enabled in %s: all belong to profiles that are not active", files)
	}
}

// ignoredJobs gives a sentence where there are jobs, which run when docker compose is told to.
func ignoredJobs(project *types.Project) []string {
	if len(project.Jobs) == 0 {
		return nil
	}
	names := strings.Join(slices.Sorted(maps.Keys(project.Jobs)), ", ")
	return []string{"jobs are not started with the services: " + names + "; `docker compose run` starts one"}
}
