package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fit"
)

// armNames are the arms: "before" is C with another revision's images.
var armNames = []string{"A", "B", "C", "D", "before"}

// armTitles say in the report what the arms have.
var armTitles = map[string]string{
	"A":      "no limits, no settings",
	"B":      "limits alone",
	"C":      "limits and today's settings",
	"D":      "limits and settings from history",
	"before": "C with images before",
}

// derived are the names of the variables that fitting can set, by service.
func derived(project *types.Project, m engine.Machine) map[string][]string {
	names := map[string][]string{}
	for _, service := range fit.Explain(project, nil, m).Services {
		for _, setting := range service.Settings {
			names[service.Service] = append(names[service.Service], setting.Name)
		}
	}
	return names
}

// strip gives an arm's project: A loses limits, reservations and derived variables, B the variables alone.
func strip(project *types.Project, arm string, derived map[string][]string) (*types.Project, error) {
	project, err := project.WithServicesTransform(func(name string, s types.ServiceConfig) (types.ServiceConfig,
		error,
	) {
		if arm != "A" && arm != "B" {
			return s, nil
		}
		environment := types.MappingWithEquals{}
		for key, value := range s.Environment {
			environment[key] = value
		}
		for _, key := range derived[name] {
			delete(environment, key)
		}
		s.Environment = environment
		if arm == "A" {
			s.Deploy, s.MemLimit, s.MemReservation, s.MemSwapLimit = nil, 0, 0, 0
			s.CPUS, s.CPUQuota, s.CPUPeriod = 0, 0, 0
		}
		return s, nil
	})
	if err != nil {
		return nil, fmt.Errorf("stripping the stack for arm %s: %w", arm, err)
	}
	return project, nil
}

// writeArm writes the arm's Compose file and gives the files that docker compose is to read.
func (b *bench) writeArm(ctx context.Context, arm string) ([]string, error) {
	project, err := strip(b.model, arm, b.derived)
	if err != nil {
		return nil, err
	}
	if arm == "before" {
		for _, name := range b.config.replaced {
			service, known := project.Services[name]
			if !known {
				return nil, fmt.Errorf("reading -replaced: the stack has no service %q", name)
			}
			if service.Image, err = b.imageBefore(ctx, name); err != nil {
				return nil, err
			}
			project.Services[name] = service
		}
	}
	text, err := project.MarshalYAML()
	if err != nil {
		return nil, fmt.Errorf("writing the stack for arm %s: %w", arm, err)
	}
	file := filepath.Join(b.work, "arm-"+arm+".yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, fmt.Errorf("writing the stack for arm %s: %w", arm, err)
	}
	files := []string{file}
	if arm == "D" {
		files = append(files, b.config.overlay)
	}
	return files, nil
}
