package container

import (
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
)

// The labels by which docker compose knows what is a project's: containers, networks, volumes and the images that a
// build made. No other package spells them.
const (
	LabelPrefix          = "com.docker.compose."     // begins all of them
	ProjectLabel         = api.ProjectLabel          // the project's name
	ServiceLabel         = api.ServiceLabel          // the service's name
	OneOffLabel          = api.OneoffLabel           // "True" for a container of compose run, "False" for a service's
	ConfigHashLabel      = api.ConfigHashLabel       // the hash of the model that the thing was made from
	HookLabel            = api.HookLabel             // of a container that runs a lifecycle hook: which hook
	VolumeLabel          = api.VolumeLabel           // the volume's key in the Compose file
	WorkingDirLabel      = api.WorkingDirLabel       // the directory of the project
	NetworkLabel         = api.NetworkLabel          // the network's key in the Compose file
	NumberLabel          = api.ContainerNumberLabel  // the replica's number, from 1
	DependenciesLabel    = api.DependenciesLabel     // what the service depends on, as Compose's stop reads it
	EnvironmentFileLabel = api.EnvironmentFileLabel  // what COMPOSE_ENV_FILES named
	ReplaceLabel         = api.ContainerReplaceLabel // of a container that is made in the place of another
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
