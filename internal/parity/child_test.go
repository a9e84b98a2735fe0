//go:build integration

package parity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/docker/compose/v5/pkg/api"
	engine "github.com/docker/compose/v5/pkg/compose"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// childVariable makes the test binary load the stack of its working directory and print its reading.
const (
	childVariable = "PARITY_CHILD"
	raceVariable  = "GORACE"
)

func child() int {
	// Neither is part of the shape's environment.
	for _, name := range []string{childVariable, raceVariable} {
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	r, err := load()
	if err != nil {
		var f *fault.Error
		r = reading{
			Refusal: err.Error(), Fault: errors.As(err, &f) && (f.Code == fault.Config || f.Code == fault.Usage),
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func load() (reading, error) {
	s, err := compose.Load(context.Background(), compose.Request{})
	if err != nil {
		return reading{}, err
	}
	project := s.Project
	r := reading{
		Name: project.Name, Dir: project.WorkingDir, Files: project.ComposeFiles, Services: project.ServiceNames(),
		Environment: project.Environment.Values(), Hashes: map[string]string{},
	}
	if !slices.Equal(s.Files, project.ComposeFiles) {
		r.Files = append(r.Files, s.Files...)
	}
	profiles := map[string]bool{}
	for _, service := range project.AllServices() {
		for _, p := range service.Profiles {
			profiles[p] = true
		}
	}
	r.Profiles = slices.Sorted(maps.Keys(profiles))
	for name, service := range project.Services {
		container := strings.TrimRight(service.ContainerName, "0123456789")
		if container == "" {
			container = strings.Join([]string{project.Name, name, ""}, api.Separator)
		}
		image := api.GetImageNameOrDefault(service, project.Name)
		r.Containers = append(r.Containers, strings.Join([]string{name, container, image}, " "))
		if r.Hashes[name], err = engine.ServiceHash(service); err != nil {
			return reading{}, err
		}
	}
	slices.Sort(r.Services)
	slices.Sort(r.Environment)
	// docker compose config shows the variables of env_file as the service's own.
	if project, err = project.WithServicesEnvironmentResolved(true); err != nil {
		return reading{}, err
	}
	// What up and config --hash make of DOCKER_DEFAULT_PLATFORM is in the hashes; docker compose config does not show
	// it.
	for name, service := range project.Services {
		if service.Build != nil && service.Platform == project.Environment["DOCKER_DEFAULT_PLATFORM"] {
			service.Platform = ""
			project.Services[name] = service
		}
	}
	model, err := project.MarshalJSON()
	r.Model = string(model)
	return r, err
}
