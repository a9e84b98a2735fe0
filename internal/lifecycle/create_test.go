package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/plan"
	"github.com/25eloquence/compose-mage/internal/ui"
)

const several = `services:
  db: {image: x}
  web: {image: y, scale: 2, depends_on: [db]}
  named: {image: z, container_name: mine}
  job-1: {image: x, pre_start: [{image: y, command: [x]}]}
  tunnel: {provider: {type: ngrok}}
`

// creating is a run of that plan whose containers are about to be made.
func creating(t *testing.T, text string, planned func(*types.Project) plan.Plan) (*creation, *bytes.Buffer) {
	t.Helper()
	project, out := composetest.Load(t, text), &bytes.Buffer{}
	project.Name = "shop"
	r := &run{project: project, out: ui.New(out), plan: planned(project)}
	r.creation = newCreation(r)
	return r.creation, out
}

func fresh(project *types.Project) plan.Plan { return plan.Start(project, 2, plan.Observed{}) }

func (c *creation) outcomes() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.made)) {
		if o := c.made[name]; o.settled() {
			all = append(all, name+": "+said(o.err))
		}
	}
	return strings.Join(all, "; ")
}

func said(err error) string {
	if err == nil {
		return "there"
	}
	return err.Error()
}

func TestServiceOfAnEvent(t *testing.T) {
	c, _ := creating(t, several, fresh)
	for id, want := range map[string]string{
		"Container shop-db-1": "db", "Container shop-job-1-2": "job-1", "Container mine": "named",
		"service:web:2":        "web",
		"Container other-db-1": "", "Container shop-nosuch-1": "", "Container shop-db": "", "Network shop_default": "",
		"service:web": "",
	} {
		if got := serviceOf(c.run.project, id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}

// TestMade: a service goes on with the last of its containers; one with hooks, or with containers that are too
// many, at the end.
func TestMade(t *testing.T) {
	c, _ := creating(t, several, func(p *types.Project) plan.Plan {
		plan := fresh(p)
		plan.Operations = append(plan.Operations, operation.Operation{Kind: operation.Remove, Service: "db", Count: 1})
		return plan
	})
	for service, want := range map[string]int{"db": 0, "web": 2, "named": 1, "job-1": 0, "tunnel": 0, "nosuch": 0} {
		if got := c.run.plan.Made(c.run.project, service); got != want {
			t.Errorf("%s: %d, want %d", service, got, want)
		}
	}
	for _, service := range []string{"db", "web", "named", "job-1", "tunnel"} {
		c.makes(service)
	}
	if got := c.outcomes(); got != "named: there" {
		t.Errorf("got %q", got)
	}
	if c.makes("web"); c.outcomes() != "named: there; web: there" {
		t.Errorf("got %q", c.outcomes())
	}
	if c.of(operation.Operation{Service: "web"}) != c.made["web"] ||
		c.of(operation.Operation{Resource: "network x"}) != c.ended {
		t.Error("an operation has the outcome of another")
	}
}

func TestCreateOptions(t *testing.T) {
	forced := plan.Observed{BeyondCompose: map[string]string{"web": "x", "api": "y"}}
	for name, c := range map[string]struct {
		plan     plan.Plan
		seen     plan.Observed
		services string
		recreate string
		others   string
	}{
		"a start":                 {plan.Plan{}, plan.Observed{}, "", api.RecreateDiverged, api.RecreateDiverged},
		"what Compose would keep": {plan.Plan{}, forced, "api web", api.RecreateForce, api.RecreateDiverged},
		"a restart":               {plan.Plan{Restart: true}, forced, "", api.RecreateNever, api.RecreateNever},
	} {
		o := createOptions(c.plan, c.seen)
		if got := strings.Join(o.Services, " "); got != c.services || o.Recreate != c.recreate ||
			o.RecreateDependencies != c.others {
			t.Errorf("%s: %q, %s, %s", name, got, o.Recreate, o.RecreateDependencies)
		}
		if !o.Inherit || !o.IgnoreOrphans || !o.QuietPull || o.RemoveOrphans {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

// TestFailuresOfACreation: the first container that can't be made counts, each image that can't be pulled, and each
// provider.
func TestFailuresOfACreation(t *testing.T) {
	for name, c := range map[string]struct {
		events []api.Resource
		want   string
		said   string
	}{
		"a container": {
			[]api.Resource{
				{ID: "Container shop-db-1", Status: api.Working, Text: "Creating"},
				{ID: "Container shop-db-1", Status: api.Error, Text: "no"},
				{ID: "service:web:1", Status: api.Error, Text: "ended by that"},
			}, "db: creating the container: no", "",
		},
		"an image": {
			[]api.Resource{
				{ID: "Image y", Status: api.Working},
				{ID: "Image y", Status: api.Working},
				{ID: "Image x", Status: api.Done},
				{ID: "Image y", Status: api.Error, Details: "denied"},
			}, "job-1: pulling y: denied; web: pulling y: denied", "pulling y\n",
		},
		"a provider": {
			[]api.Resource{{ID: "tunnel", Status: api.Error, Text: "no token"}}, "tunnel: provider ngrok: no token", "",
		},
		"none": {
			[]api.Resource{
				{ID: "tunnel", Status: api.Done},
				{ID: "web", Status: api.Error, Text: "what?"},
				{ID: "Volume x", Status: api.Error},
			}, "", "",
		},
		"two images, no one": {[]api.Resource{{ID: "Image nosuch", Status: api.Error}}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			creation, out := creating(t, several, fresh)
			creation.On(c.events...)
			var got []string
			failed := creation.culprits()
			for _, service := range slices.Sorted(maps.Keys(failed)) {
				got = append(got, service+": "+failed[service].Error())
			}
			if strings.Join(got, "; ") != c.want || !strings.HasSuffix(out.String(), c.said) ||
				(c.said == "") != (out.Len() == 0) {
				t.Errorf("got %q, said %q", got, out)
			}
			if again := creation.culprits(); len(again) > 0 {
				t.Errorf("told twice: %v", again)
			}
		})
	}
}

func TestWithoutTheFailed(t *testing.T) {
	c, _ := creating(t, several, fresh)
	left := c.without(c.run.project, map[string]error{"db": errors.New("no room")})
	if got := strings.Join(left.ServiceNames(), " "); got != "job-1 named tunnel" {
		t.Errorf("left %q", got)
	}
	if got := c.outcomes(); got != "db: no room; web: "+errDependency.Error() {
		t.Errorf("got %q", got)
	}
}

// engineOf answers what a creation asks.
type engineOf struct {
	client.APIClient
	fails bool
}

func (e engineOf) ContainerCreate(
	_ context.Context,
	o client.ContainerCreateOptions,
) (client.ContainerCreateResult, error) {
	return client.ContainerCreateResult{ID: o.Name}, e.err()
}

func (e engineOf) ContainerInspect(
	context.Context,
	string,
	client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	return client.ContainerInspectResult{}, e.err()
}

func (e engineOf) ContainerRename(
	context.Context,
	string,
	client.ContainerRenameOptions,
) (client.ContainerRenameResult, error) {
	return client.ContainerRenameResult{}, e.err()
}

func (e engineOf) err() error {
	if e.fails {
		return errors.New("no")
	}
	return nil
}

// TestWatched: a new container is there when the library looks at it, one that replaces another when it has got its
// name, and none of hooks counts.
func TestWatched(t *testing.T) {
	made := func(labels map[string]string) client.ContainerCreateOptions {
		return client.ContainerCreateOptions{Name: "id", Config: &moby.Config{Labels: labels}}
	}
	plain := map[string]string{api.ServiceLabel: "db"}
	replaces := map[string]string{api.ServiceLabel: "db", api.ContainerReplaceLabel: "db-1"}
	hook := map[string]string{api.ServiceLabel: "db", api.HookLabel: "pre_start"}
	for name, c := range map[string]struct {
		labels                                map[string]string
		inspected, renamed, fails, failsLater bool
		want                                  string
	}{
		"made":                {labels: plain},
		"made and looked at":  {labels: plain, inspected: true, want: "db: there"},
		"made and renamed":    {labels: plain, renamed: true},
		"replaces":            {labels: replaces, inspected: true},
		"replaces, named":     {labels: replaces, inspected: true, renamed: true, want: "db: there"},
		"a hook's":            {labels: hook, inspected: true, renamed: true},
		"not made":            {labels: plain, inspected: true, fails: true},
		"can't be looked at":  {labels: plain, inspected: true, failsLater: true},
		"can't get its name":  {labels: replaces, renamed: true, failsLater: true},
		"of no service of it": {labels: map[string]string{}, renamed: true},
	} {
		creation, _ := creating(t, several, fresh)
		w := newWatched(engineOf{fails: c.fails}, creation)
		_, _ = w.ContainerCreate(t.Context(), made(c.labels))
		w.APIClient = engineOf{fails: c.failsLater}
		for range 2 {
			if c.inspected {
				_, _ = w.ContainerInspect(t.Context(), "id", client.ContainerInspectOptions{})
			}
			if c.renamed {
				_, _ = w.ContainerRename(t.Context(), "id", client.ContainerRenameOptions{})
			}
		}
		if got := creation.outcomes(); got != c.want || c.want != "" && creation.count["db"] != 1 {
			t.Errorf("%s: got %q, %d made", name, got, creation.count["db"])
		}
	}
}
