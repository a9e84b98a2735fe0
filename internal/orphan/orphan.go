// Package orphan owns the containers that are left of services that the Compose files no longer have. It removes no
// volume.
package orphan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Container is a container of the project whose service the Compose files no longer have, in no profile.
type Container struct {
	Service   string `json:"service"`
	Container string `json:"container"` // its name
	State     string `json:"state"`     // the engine's: running, exited …

	id        string
	anonymous []string // its volumes without a name of their own
}

// RemoveCommand is what removes orphans.
const RemoveCommand = "go tool mage start -remove-orphans"

// API is what orphans ask of the engine.
type API interface {
	container.Lister
	ContainerStop(ctx context.Context, id string, o client.ContainerStopOptions) (client.ContainerStopResult, error)
	ContainerRemove(
		ctx context.Context,
		id string,
		o client.ContainerRemoveOptions,
	) (client.ContainerRemoveResult, error)
}

// List lists the project's orphans by name, in whatever state; containers of docker compose run are none.
func List(ctx context.Context, e container.Lister, project *types.Project) ([]Container, error) {
	all, err := container.All(ctx, e, project.Name)
	if err != nil {
		return nil, err
	}
	return Among(all, project), nil
}

// Among picks the orphans out of all the project's containers, by name.
func Among(all []moby.Summary, project *types.Project) []Container {
	known := project.AllServices()
	var orphans []Container
	for _, c := range all {
		service := c.Labels[container.ServiceLabel]
		if _, has := known[service]; has || service == "" || c.Labels[container.OneOffLabel] == "True" ||
			len(c.Names) == 0 {
			continue
		}
		o := Container{
			Service:   service,
			Container: strings.TrimPrefix(c.Names[0], "/"),
			State:     string(c.State),
			id:        c.ID,
		}
		for _, m := range c.Mounts {
			if m.Type == mount.TypeVolume && anonymous(m.Name) {
				o.anonymous = append(o.anonymous, m.Name)
			}
		}
		orphans = append(orphans, o)
	}
	slices.SortFunc(orphans, func(a, b Container) int { return cmp.Compare(a.Container, b.Container) })
	return orphans
}

// anonymous says whether the engine made up the volume's name: 64 hexadecimal digits.
func anonymous(volume string) bool {
	return len(volume) == 64 && strings.Trim(volume, "0123456789abcdef") == ""
}

// Policy is what COMPOSE_REMOVE_ORPHANS and COMPOSE_IGNORE_ORPHANS say.
type Policy struct {
	Remove bool // as docker compose up --remove-orphans
	Ignore bool // not a word about them
}

// ReadPolicy takes the settings of docker compose's command; remove is the option of the command line, which counts
// for more, nil where it is not given. Both at once is an error of code Usage, as it is to docker compose.
func ReadPolicy(settings compose.Settings, remove *bool) (Policy, error) {
	p := Policy{Remove: settings.RemoveOrphans, Ignore: settings.IgnoreOrphans}
	if remove != nil {
		p.Remove = *remove
	}
	if p.Remove && p.Ignore {
		return p, fault.New(
			fault.Usage,
			"unset one of the two",
			"orphans can't be both removed (-remove-orphans, COMPOSE_REMOVE_ORPHANS) "+
				"and ignored (COMPOSE_IGNORE_ORPHANS)",
		)
	}
	return p, nil
}

// Warn warns of orphans and says what removes them; it says nothing where there are none.
func Warn(out *ui.Out, orphans []Container) {
	if len(orphans) == 0 {
		return
	}
	out.Warn("%s", text(orphans))
	out.Info("  next: %s", RemoveCommand)
}

func text(orphans []Container) string {
	names := make([]string, 0, len(orphans))
	for _, o := range orphans {
		names = append(names, fmt.Sprintf("%s (%s, %s)", o.Service, o.Container, o.State))
	}
	if len(orphans) == 1 {
		return "a container is left of a service that the Compose files no longer have: " + names[0]
	}
	return fmt.Sprintf(
		"%d containers are left of services that the Compose files no longer have: %s",
		len(orphans),
		strings.Join(names, ", "),
	)
}

// Settle removes the orphans, warns of them or leaves them alone, as the policy says; before a start, since they
// may hold what it needs, such as a port. It says whether it has removed any.
func Settle(ctx context.Context, e API, orphans []Container, p Policy, out *ui.Out) (bool, error) {
	switch {
	case p.Remove:
		return len(orphans) > 0, Remove(ctx, e, orphans, out)
	case !p.Ignore:
		Warn(out, orphans)
	}
	return false, nil
}

// Remove stops them, each within its own grace period, and removes them. As with docker compose no volume goes: those
// without a name, to which nothing else leads, are named.
func Remove(ctx context.Context, e API, orphans []Container, out *ui.Out) error {
	failed := make([]error, len(orphans))
	var g errgroup.Group
	for i, o := range orphans {
		g.Go(func() error {
			failed[i] = out.Step(
				ctx,
				"removing the orphan "+o.Container,
				func(ctx context.Context, _ func(string)) error {
					if err := remove(ctx, e, o.id); err != nil {
						return fault.New(
							fault.Failed,
							"docker rm -f "+fault.Quote(o.Container),
							"removing the orphan %q of service %q: %w",
							o.Container,
							o.Service,
							err,
						)
					}
					return nil
				},
			)
			return nil
		})
	}
	_ = g.Wait() // failed has the errors
	for i, o := range orphans {
		if failed[i] == nil && len(o.anonymous) > 0 {
			out.Warn("%s left volumes without a name, which stay: %s", o.Container, strings.Join(o.anonymous, ", "))
		}
	}
	return errors.Join(failed...)
}

// remove stops and removes a container; that it is gone already is as well.
func remove(ctx context.Context, e API, id string) error {
	if _, err := e.ContainerStop(ctx, id, client.ContainerStopOptions{}); err != nil && !cerrdefs.IsNotFound(err) {
		return err
	}
	_, err := e.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// PlanLines gives a line for each orphan of what a start does about it.
func PlanLines(orphans []Container, p Policy) []string {
	var lines []string
	for _, o := range orphans {
		switch {
		case p.Remove:
			lines = append(lines, fmt.Sprintf("first: remove the orphan %s of service %s", o.Container, o.Service))
		case !p.Ignore:
			lines = append(
				lines,
				fmt.Sprintf(
					"left alone: the orphan %s of service %s; -remove-orphans removes it",
					o.Container,
					o.Service,
				),
			)
		}
	}
	return lines
}
