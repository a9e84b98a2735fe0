package container

import (
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
)

// Labelled gives the project with the labels by which docker compose knows its containers, networks and volumes.
func Labelled(project *types.Project) (*types.Project, error) {
	return project.WithServicesTransform(func(name string, s types.ServiceConfig) (types.ServiceConfig, error) {
		labels := types.Labels{
			api.ProjectLabel:     project.Name,
			api.ServiceLabel:     name,
			api.VersionLabel:     api.ComposeVersion,
			api.WorkingDirLabel:  project.WorkingDir,
			api.ConfigFilesLabel: strings.Join(project.ComposeFiles, ","),
			api.OneoffLabel:      "False",
		}
		if files, set := s.CustomLabels[api.EnvironmentFileLabel]; set { // only the loader knows of COMPOSE_ENV_FILES
			labels[api.EnvironmentFileLabel] = files
		}
		s.CustomLabels = labels
		return s, nil
	})
}
