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
	"github.com/25eloquence/compose-mage/internal/wait"
)

// creation is the part of a start in which the Compose library creates what is missing or changed: the whole project at once,
// so that everything that depends on what else is recreated stays the library's. It tells what is done while it goes on, and
// releases each service as soon as its containers are there.
type creation struct {
	starter *starter
	compose api.Compose

	mu      sync.Mutex
	seen    map[string]map[string]bool // container names that are as they should be, by service
	failed  map[string]error           // why the first container could not be made, and images not be pulled, by service
	pulling map[string]bool
	anew    []string // services with containers that Compose makes anew

	why  func(service string, anew []string) string // why it does so
	kept func()                                     // warns of the volumes that stay although their settings changed
}

// conflictRetries is how often a creation starts again that met another one of the same project.
const conflictRetries = 3

// errDependency is the error of a service that was not started because of another's.
var errDependency = errors.New("not started: a dependency failed")

// newCreation prepares the creation of the starter's project.
func newCreation(ctx context.Context, s *starter) (*creation, error) {
	c := &creation{starter: s, seen: map[string]map[string]bool{}, failed: map[string]error{}, pulling: map[string]bool{}}
	c.why = func(service string, anew []string) string {
		if why := s.outdated[service]; why != "" {
			return why
		}
		return s.compared.Why(ctx, service, s.before, anew)
	}
	c.kept = sync.OnceFunc(func() {
		if s.renew != nil {
			return // the restart's plan has said so
		}
		kept, err := s.compared.KeptVolumes(ctx)
		if err != nil {
			s.out.Warn("some volume stays as it is, though its settings in the Compose file changed: %v", err)
		}
		for _, text := range kept {
			s.out.Warn("%s", text)
		}
	})
	var err error
	// A container is made in some 15 ms; more at a time than there are CPUs would only keep the first from starting.
	c.compose, err = composelib.New(s.engine, compose.WithEventProcessor(c), compose.WithMaxConcurrency(s.plan.CPUs),
		compose.WithPrompt(func(string, bool) (bool, error) {
			c.kept()
			return false, nil
		}))
	return c, err
}

// run creates the project. Where a service's container can't be made, that service and those that wait for it are left out, and
// the others go on. Every service is released, or failed, when it returns.
func (c *creation) run(ctx context.Context, outdated []string) {
	project, conflicts := c.starter.project, 0
	for {
		err := c.compose.Create(ctx, project, c.options(outdated))
		failed := c.culprits()
		maps.Copy(failed, diagnosis.MissingProviders(project, err))
		switch {
		case err == nil:
			c.release(project, nil)
			return
		case fault.EngineLost(err): // what the library has told of it is text alone
			c.release(project, &diagnosis.CreateError{Err: err})
			return
		case ctx.Err() != nil:
			c.release(project, context.Cause(ctx))
			return
		case cerrdefs.IsConflict(err) && conflicts < conflictRetries:
			// Another compose works on the project, or a killed run left a container without labels: what it made counts next time.
			conflicts++
			if wait.For(ctx, 300*time.Millisecond) != nil {
				continue
			}
		case ambiguous(err) && c.dropped(ctx):
		case len(failed) == 0:
			c.release(project, &diagnosis.CreateError{Err: err})
			return
		default:
			left := c.without(project, failed)
			if len(left.Services) == len(project.Services) { // or it would begin anew for ever
				c.release(project, &diagnosis.CreateError{Err: err})
				return
			}
			if project = left; len(project.Services) == 0 {
				return
			}
		}
		outdated = nil // what was recreated in this round no longer is
	}
}

// dropped says whether networks of one name were in the way, and are gone.
func (c *creation) dropped(ctx context.Context) bool {
	dropped, err := removeDuplicateNetworks(ctx, c.starter.engine, c.starter.project.Name)
	return dropped && err == nil
}

// options say what docker compose up says, but that the outdated services are recreated even though nothing in their configuration
// has changed, and that in a restart each service is recreated when its turn comes.
func (c *creation) options(outdated []string) api.CreateOptions {
	o := api.CreateOptions{
		Recreate: api.RecreateDiverged, RecreateDependencies: api.RecreateDiverged, Inherit: true, IgnoreOrphans: true, QuietPull: true,
	}
	if c.starter.renew != nil {
		o.Recreate, o.RecreateDependencies = api.RecreateNever, api.RecreateNever
	}
	if len(outdated) > 0 {
		o.Services, o.Recreate = outdated, api.RecreateForce
	}
	return o
}

// without leaves the services that failed, and all that can't start without them, out of the project. Their containers stay as they
// are.
func (c *creation) without(project *types.Project, failed map[string]error) *types.Project {
	for name, err := range failed {
		c.starter.created[name].settle(err)
	}
	for name := range failed {
		waiting := c.starter.plan.waitingFor(name)
		for _, other := range waiting {
			c.starter.created[other].settle(errDependency)
		}
		project = project.WithServicesDisabled(append(waiting, name)...)
	}
	return project
}

// release settles the services of the project that are not settled yet.
func (c *creation) release(project *types.Project, err error) {
	for name := range project.Services {
		c.starter.created[name].settle(err)
	}
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

// On takes what the library tells of its work.
func (c *creation) On(events ...api.Resource) {
	for _, e := range events {
		if image, ok := strings.CutPrefix(e.ID, "Image "); ok {
			c.pull(image, e)
			continue
		}
		if s, ok := c.starter.project.Services[e.ID]; ok && s.Provider != nil {
			if e.Status == api.Error {
				c.fail(e.ID, &diagnosis.ProviderError{Kind: s.Provider.Type, Err: errors.New(e.Text)})
			}
			continue
		}
		service := c.service(e.ID)
		if service == "" {
			continue
		}
		switch {
		case e.Status == api.Error:
			c.fail(service, &diagnosis.CreateError{Err: errors.New(e.Text)})
		case e.Status == api.Working && e.Text == recreating:
			c.recreates(service)
		case e.Status == api.Done && (e.Text == api.StatusCreated || e.Text == "Recreated" || e.Text == api.StatusRunning):
			c.made(service, e.ID)
		}
	}
}

// recreates says once of a service that Compose makes its containers anew, and why.
func (c *creation) recreates(service string) {
	c.mu.Lock()
	known := slices.Contains(c.anew, service)
	if !known {
		c.anew = append(c.anew, service)
	}
	anew := slices.Clone(c.anew)
	c.mu.Unlock()
	if !known {
		c.starter.out.Info("%s is recreated: %s", service, c.why(service, anew))
	}
}

// pull takes what is told of an image's pull. Those that the first failure ends are not told as failed.
func (c *creation) pull(image string, e api.Resource) {
	c.mu.Lock()
	first := !c.pulling[image]
	c.pulling[image] = true
	if e.Status == api.Error {
		project := c.starter.project
		for name, s := range project.Services {
			if s.Image == image || slices.Contains(api.GetDependentImages(s, project.Name), image) {
				c.failed[name] = &diagnosis.PullError{Image: image, Text: e.Details}
			}
		}
	}
	c.mu.Unlock()
	if first && e.Text == api.StatusPulling {
		c.starter.out.Info("pulling %s", image)
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

// made counts a container of the service, and releases it with the last of them.
func (c *creation) made(service, id string) {
	s := c.starter.project.Services[service]
	c.mu.Lock()
	if c.seen[service] == nil {
		c.seen[service] = map[string]bool{}
	}
	c.seen[service][id] = true
	all := len(c.seen[service]) >= s.GetScale()
	c.mu.Unlock()
	// Hooks before the start have containers of their own, made last; and where there were too many, some are still going.
	if all && len(s.PreStart) == 0 && len(c.starter.before[service]) <= s.GetScale() {
		c.starter.created[service].settle(nil)
	}
}

// recreating is what the library says when it begins to make a container anew.
const recreating = "Recreate"

var (
	byName = regexp.MustCompile(`^Container (.+)$`)
	byID   = regexp.MustCompile(`^service:([^:]+):\d+$`)
	number = regexp.MustCompile(`^(.+)-\d+$`)
)

// service tells which service an event is about: "Container PROJECT-SERVICE-1", "Container NAME", or "service:SERVICE:1".
func (c *creation) service(id string) string {
	if m := byID.FindStringSubmatch(id); m != nil {
		return m[1]
	}
	m := byName.FindStringSubmatch(id)
	if m == nil {
		return ""
	}
	for name, s := range c.starter.project.Services {
		if s.ContainerName == m[1] {
			return name
		}
	}
	if rest, ok := strings.CutPrefix(m[1], c.starter.project.Name+api.Separator); ok {
		if n := number.FindStringSubmatch(rest); n != nil && c.starter.created[n[1]] != nil {
			return n[1]
		}
	}
	return ""
}

// outcome is what becomes of one part of a service's start: nothing yet, well, or an error.
type outcome struct {
	once sync.Once
	done chan struct{}
	err  error
	at   time.Time
}

func newOutcome() *outcome { return &outcome{done: make(chan struct{})} }

// settle says what became of it; only the first word counts.
func (o *outcome) settle(err error) {
	o.once.Do(func() {
		o.err, o.at = err, time.Now()
		close(o.done)
	})
}

// wait blocks until it is settled.
func (o *outcome) wait(ctx context.Context) error {
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
