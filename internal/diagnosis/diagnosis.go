// Package diagnosis owns why a service's containers could not be made, started or got ready, as far as an error and
// the engine can tell, and what to do next. It starts and mends nothing.
package diagnosis

import (
	"context"
	"errors"
	"os/exec"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/hostport"
	"github.com/25eloquence/compose-mage/internal/readiness"
)

// lastLines is how many log lines of a service that failed are shown.
const lastLines = "12"

// remedies are what the user can do where the engine refused to make or start a container.
var remedies = map[fault.Refusal]struct {
	code fault.Code
	next func(project *types.Project, service string) string
}{
	fault.ProgramMissing: {fault.Config, correctProgram},
	fault.ImageMissing:   {fault.Config, getImage},
	fault.MountMissing:   {fault.Config, always("go tool mage setup")},
	fault.NetworkAmbiguous: {
		fault.Failed,
		always("docker network rm the one of the two, by its ID, that no container is in; then go tool mage start"),
	},
	fault.NameTaken:     {fault.Failed, always("docker rm the container of that name, then go tool mage start")},
	fault.RuntimeFailed: {fault.Failed, always("go tool mage start")},
}

func always(next string) func(*types.Project, string) string {
	return func(*types.Project, string) string { return next }
}

// getImage is how the service gets an image that is not there: it is built, by whichever service builds it, or pulled.
func getImage(project *types.Project, service string) string {
	image := api.GetImageNameOrDefault(project.Services[service], project.Name)
	for _, name := range append([]string{service}, project.ServiceNames()...) {
		other := project.Services[name]
		if other.Build != nil && api.GetImageNameOrDefault(other, project.Name) == image {
			return "go tool mage build " + fault.Quote(name) + ", then go tool mage start"
		}
	}
	return "docker pull " + fault.Quote(image) + ", or correct image of " + fault.Quote(service) +
		"; then go tool mage start"
}

// correctProgram is what helps where the container's program can't be run: nothing of it is mended by a build alone.
func correctProgram(project *types.Project, service string) string {
	if project.Services[service].Build == nil {
		return "correct image, command and entrypoint of " + fault.Quote(service) + ", then go tool mage start"
	}
	return "correct command and entrypoint of " + fault.Quote(service) +
		", or its Dockerfile; then go tool mage build start"
}

// Start says why the service could not be started, and what to do next. e may be nil where the engine is not to be
// asked who holds a port.
func Start(ctx context.Context, e *engine.Engine, project *types.Project, service string, err error) *fault.Error {
	if fault.EngineLost(err) {
		return fault.New(fault.Engine, fault.Again, "starting %q: the engine went away: %w", service, err)
	}
	var typed *fault.Error
	if errors.As(err, &typed) { // a restart's, which knows more
		said := *typed
		return &said
	}
	var never *readiness.NotReady
	if errors.As(err, &never) {
		next := never.Next
		if next == "" {
			next = "go tool mage logs " + fault.Quote(service)
		}
		return fault.New(fault.Failed, next, "starting %q: %w", service, err)
	}
	var provider *ProviderError
	if errors.As(err, &provider) {
		next := "go tool mage start"
		if errors.Is(err, exec.ErrNotFound) {
			next = "install the provider " + fault.Quote(provider.Kind) +
				" (a docker CLI plugin, or a program in the PATH), then go tool mage start"
		}
		return fault.New(fault.Failed, next, "starting %q: %w", service, err)
	}
	if taken, ok := fault.PortTaken(err); ok {
		p := hostport.Port{IP: taken.IP, Protocol: taken.Protocol, Number: taken.Number}
		who, next := holder(ctx, e, project, p)
		return fault.New(fault.Resources, next, "starting %q: port %s is taken%s: %w", service, p, who, err)
	}
	if fault.DiskFull(err) {
		return fault.New(fault.Resources, "go tool mage cleanup", "starting %q: %w", service, err)
	}
	var pull *PullError
	if errors.As(err, &pull) {
		// The engine's words are about the registry here, as in "connection refused".
		next := "docker pull " + fault.Quote(pull.Image) +
			", once its name, the registry and docker login are right; then go tool mage start"
		return fault.New(fault.Registry, next, "starting %q: %w", service, err)
	}
	if r, ok := remedies[fault.RefusalOf(err)]; ok {
		return fault.New(r.code, r.next(project, service), "starting %q: %w", service, err)
	}
	next := "go tool mage logs " + fault.Quote(service)
	var create *CreateError
	if errors.As(err, &create) {
		next = "go tool mage check " + fault.Quote(service) // there may be no container to have logs
	}
	return fault.New(fault.Failed, next, "starting %q: %w", service, err)
}

// holder says who has a port, as far as that can be seen, and what to do about it.
func holder(ctx context.Context, e *engine.Engine, project *types.Project, p hostport.Port) (who, next string) {
	if list, err := e.ContainerList(ctx, client.ContainerListOptions{}); err == nil {
		if by := hostport.Publisher(p, list.Items); by != nil {
			name := strings.TrimPrefix(by.Names[0], "/")
			if other := by.Labels[container.ProjectLabel]; other != "" && other != project.Name {
				who = " of project " + other
			}
			return " by container " + name + who, "docker stop " + fault.Quote(name) + ", then go tool mage start"
		}
	}
	if e.Local() {
		if process := hostport.Holder(p); process != "" {
			return " by " + process, "stop it, or publish another port; then go tool mage start"
		}
	}
	return "", "go tool mage check"
}

// LogReader is what reading a container's log needs of the engine.
type LogReader interface {
	ContainerLogs(ctx context.Context, id string, o client.ContainerLogsOptions) (client.ContainerLogsResult, error)
}

// LastLines gives a container's last log lines; none where they can't be read.
func LastLines(ctx context.Context, api LogReader, id string) []string {
	o := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: lastLines}
	logs, err := api.ContainerLogs(ctx, id, o)
	if err != nil {
		return nil
	}
	defer logs.Close()
	var out bounded.Tail // a line has no limit
	if _, err := stdcopy.StdCopy(&out, &out, logs); err != nil || out.String() == "" {
		return nil
	}
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	for i, line := range lines {
		lines[i] = bounded.Line(line)
	}
	return lines
}
