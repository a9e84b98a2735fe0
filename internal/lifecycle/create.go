package lifecycle

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/diagnosis"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/plan"
	"github.com/25eloquence/compose-mage/internal/wait"
)

// creation is the part of a run in which the Compose library creates what is missing or changed: the whole project
// at once, so that everything that depends on what else is recreated stays the library's. Each service is released
// as soon as its containers are there.
type creation struct {
	run   *run
	made  map[string]*outcome // of each service: its containers are there
	ended *outcome            // everything is

	mu      sync.Mutex
	count   map[string]int       // containers of a service that were made
	failed  map[string]error     // why the first container could not be made, and images not be pulled, by service
	pulling map[string]bool      // images
	pulls   map[string]time.Time // when the pull of an image began, until it has ended
}

// conflictRetries is how often a creation starts again that met another one of the same project, and conflictPause
// how long after it.
const (
	conflictRetries = 3
	conflictPause   = 300 * time.Millisecond
)

func newCreation(r *run) *creation {
	c := &creation{
		run: r, made: map[string]*outcome{}, ended: newOutcome(),
		count: map[string]int{}, failed: map[string]error{}, pulling: map[string]bool{},
		pulls: map[string]time.Time{},
	}
	for name := range r.project.Services {
		c.made[name] = newOutcome()
	}
	return c
}

// of is the outcome of one of the creation's operations.
func (c *creation) of(o operation.Operation) *outcome {
	if made, ok := c.made[o.Service]; ok {
		return made
	}
	return c.ended
}

// execute creates the project. Where a service's container can't be made, that service and those that wait for it
// are left out, and the others go on. Every service is released, or failed, when it returns.
func (c *creation) execute(ctx context.Context) {
	for _, o := range c.run.plan.Operations {
		if o.Kind == operation.Recreate && o.Service != "" && c.run.plan.Together(o) {
			c.run.out.Info("%s is recreated: %s", o.Service, o.Cause)
		}
	}
	err := c.create(ctx)
	for name := range c.made {
		c.made[name].settle(err) // those that are settled already stay as they are
	}
	c.ended.settle(err)
}

// create calls the Compose library until there is nothing left that it could make.
func (c *creation) create(ctx context.Context) error {
	with := *c.run.engine
	with.APIClient = newWatched(with.APIClient, c)
	// A container is made in some 15 ms; more at a time than there are CPUs would only keep the first from starting.
	library, err := composelib.New(&with, compose.WithEventProcessor(c), compose.WithMaxConcurrency(c.run.plan.CPUs))
	if err != nil {
		return err
	}
	project, options, conflicts := c.run.project, createOptions(c.run.plan, c.run.seen), 0
	for {
		err := library.Create(ctx, project, options)
		failed := c.culprits()
		maps.Copy(failed, diagnosis.MissingProviders(project, err))
		switch {
		case err == nil:
			return nil
		case fault.EngineLost(err): // what the library has told of it is text alone
			return &diagnosis.CreateError{Err: err}
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case cerrdefs.IsConflict(err) && conflicts < conflictRetries:
			// Another compose works on the project, or a killed run left a container without labels: what it made
			// counts next time.
			conflicts++
			_ = wait.For(ctx, conflictPause) // the next round sees that ctx has ended
		case fault.RefusalOf(err) == fault.NetworkAmbiguous && c.duplicatesRemoved(ctx):
		case len(failed) == 0:
			return &diagnosis.CreateError{Err: err}
		default:
			rest := c.without(project, failed)
			if len(rest.Services) == len(project.Services) { // or it would begin anew for ever
				return &diagnosis.CreateError{Err: err}
			}
			if project = rest; len(project.Services) == 0 {
				return nil
			}
		}
		options = createOptions(c.run.plan, plan.Observed{}) // what was recreated in this round no longer is outdated
	}
}

// duplicatesRemoved says whether networks of one name were in the way, and are gone.
func (c *creation) duplicatesRemoved(ctx context.Context) bool {
	removed, err := removeDuplicateNetworks(ctx, c.run.engine, c.run.project.Name)
	return removed && err == nil
}

// createOptions say what docker compose up says, but that the services are recreated whose containers Compose would
// keep, and that in a restart each service is recreated when its turn comes.
func createOptions(p plan.Plan, seen plan.Observed) api.CreateOptions {
	o := api.CreateOptions{
		Recreate: api.RecreateDiverged, RecreateDependencies: api.RecreateDiverged,
		Inherit: true, IgnoreOrphans: true, QuietPull: true,
	}
	if p.Restart {
		o.Recreate, o.RecreateDependencies = api.RecreateNever, api.RecreateNever
		return o
	}
	if len(seen.BeyondCompose) > 0 {
		o.Services, o.Recreate = slices.Sorted(maps.Keys(seen.BeyondCompose)), api.RecreateForce
	}
	return o
}

// without leaves the services that failed, and all that can't start without them, out of the project. Their
// containers stay as they are.
func (c *creation) without(project *types.Project, failed map[string]error) *types.Project {
	for name, err := range failed {
		c.made[name].settle(err)
	}
	for name := range failed {
		waiting := c.run.plan.WaitingFor(name)
		for _, other := range waiting {
			c.made[other].settle(errDependency)
		}
		project = project.WithServicesDisabled(append(waiting, name)...)
	}
	return project
}

// culprits are the services that have failed since it was asked last.
func (c *creation) culprits() map[string]error {
	c.mu.Lock()
	defer c.mu.Unlock()
	failed := c.failed
	c.failed = map[string]error{}
	return failed
}

// Start is the library's sign that an operation begins.
func (c *creation) Start(context.Context, string) {}

// Done is its sign that one has ended.
func (c *creation) Done(string, bool) {}

// On takes what the library tells of images, and of what failed.
func (c *creation) On(events ...api.Resource) {
	for _, e := range events {
		if image, ok := strings.CutPrefix(e.ID, "Image "); ok {
			c.pull(image, e)
			continue
		}
		if e.Status != api.Error {
			continue
		}
		if s, ok := c.run.project.Services[e.ID]; ok && s.Provider != nil {
			c.fail(e.ID, &diagnosis.ProviderError{Kind: s.Provider.Type, Err: errors.New(e.Text)})
		} else if service := serviceOf(c.run.project, e.ID); service != "" {
			c.fail(service, &diagnosis.CreateError{Err: errors.New(e.Text)})
		}
	}
}

// pull takes what is told of an image's pull. Those that the first failure ends are not told as failed.
func (c *creation) pull(image string, e api.Resource) {
	c.mu.Lock()
	first := !c.pulling[image] && e.Status == api.Working
	c.pulling[image] = c.pulling[image] || first
	c.timePull(image, e.Status)
	if e.Status == api.Error {
		project := c.run.project
		for name, s := range project.Services {
			if s.Image == image || slices.Contains(api.GetDependentImages(s, project.Name), image) {
				c.failed[name] = &diagnosis.PullError{Image: image, Text: e.Details}
			}
		}
	}
	c.mu.Unlock()
	if first {
		c.run.out.Info("pulling %s", image)
	}
}

// fail counts the first container only that could not be made: that ends the others.
func (c *creation) fail(service string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.failed) == 0 {
		c.failed[service] = err
	}
}

// makes counts a container of the service that was made, and releases the service with the last of them.
func (c *creation) makes(service string) {
	c.mu.Lock()
	c.count[service]++
	all := c.count[service] == c.run.plan.Made(c.run.project, service)
	c.mu.Unlock()
	if all {
		c.made[service].settle(nil)
	}
}

var (
	byName = regexp.MustCompile(`^Container (.+)$`)
	byID   = regexp.MustCompile(`^service:([^:]+):\d+$`)
	number = regexp.MustCompile(`^(.+)-\d+$`)
)

// serviceOf tells which service an event of the Compose library is about: "Container PROJECT-SERVICE-1", "Container
// NAME" or "service:SERVICE:1"; "" for none.
func serviceOf(project *types.Project, id string) string {
	if m := byID.FindStringSubmatch(id); m != nil {
		return m[1]
	}
	m := byName.FindStringSubmatch(id)
	if m == nil {
		return ""
	}
	for name, s := range project.Services {
		if s.ContainerName == m[1] {
			return name
		}
	}
	if rest, ok := strings.CutPrefix(m[1], project.Name+api.Separator); ok {
		if n := number.FindStringSubmatch(rest); n != nil && project.Services[n[1]].Name != "" {
			return n[1]
		}
	}
	return ""
}
