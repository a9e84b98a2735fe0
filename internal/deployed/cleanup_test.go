package deployed

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/swarmspec"
	"github.com/25eloquence/compose-mage/internal/ui"
)

func labelled(stack string) map[string]string { return map[string]string{swarmspec.StackLabel: stack} }

// cluttered is a stack with everything that a cleanup has to decide on.
func cluttered() Stack {
	uses := func(secret, config, net string) func(*swarm.ServiceSpec) {
		return func(spec *swarm.ServiceSpec) {
			c := spec.TaskTemplate.ContainerSpec
			c.Secrets = []*swarm.SecretReference{{SecretID: "id-" + secret, SecretName: secret}}
			c.Configs = []*swarm.ConfigReference{{ConfigID: "id-" + config, ConfigName: config}}
			spec.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: "id-" + net}}
		}
	}
	web := replicated("web", 1, uses("shop_key-2", "shop_conf-2", "shop_front"))
	before := replicated("web", 1, uses("shop_key-1", "shop_conf-2", "shop_front")).Spec
	before.TaskTemplate.ContainerSpec.Image = "ghcr.io/me/web:0@sha256:bb"
	web.PreviousSpec = &before
	blog := replicated("blog", 1, uses("blog_key", "blog_conf", "shop_shared"))
	blog.Spec.Name, blog.Spec.Labels = "blog_blog", labelled("blog")
	blog.Spec.TaskTemplate.ContainerSpec.Image = "ghcr.io/me/shared:1@sha256:cc"
	api := replicated("api", 1)
	api.Spec.TaskTemplate.ContainerSpec.Image = "ghcr.io/me/shared:2@sha256:dd"
	s := shop([]swarm.Service{web, api})
	s.AllServices = append(s.AllServices, blog)
	ending := task(replicated("web", 1, uses("shop_key-0", "shop_conf-2", "shop_front")), 1, "box1",
		swarm.TaskStateRunning, time.Minute)
	ending.DesiredState = swarm.TaskStateShutdown
	s.Tasks = append(s.Tasks, ending)
	for _, name := range []string{"shop_key-old", "shop_key-0", "shop_key-1", "shop_key-2", "blog_key", "by-hand"} {
		secret := swarm.Secret{ID: "id-" + name}
		secret.Spec.Name = name
		if stack, _, scoped := strings.Cut(name, "_"); scoped {
			secret.Spec.Labels = labelled(stack)
		}
		s.Secrets = append(s.Secrets, secret)
	}
	for _, name := range []string{"shop_conf-1", "shop_conf-2", "shop_compose-mage-deploy", "blog_conf"} {
		config := swarm.Config{ID: "id-" + name}
		stack, _, _ := strings.Cut(name, "_")
		config.Spec.Name, config.Spec.Labels = name, labelled(stack)
		s.Configs = append(s.Configs, config)
	}
	for _, name := range []string{"shop_front", "shop_back", "shop_new", "shop_shared", "blog_net"} {
		stack, _, _ := strings.Cut(name, "_")
		s.Networks = append(s.Networks, network.Summary{Network: network.Network{
			ID: "id-" + name, Name: name, Scope: "swarm", Labels: labelled(stack),
		}})
	}
	s.Project = project(after("web"), after("api"))
	s.Project.Networks = types.Networks{"new": {Name: "shop_new"}}
	s.Project.Volumes = types.Volumes{"data": {Name: "shop_data"}, "theirs": {Name: "theirs", External: true}}
	return s
}

func stores() []NodeStore {
	images := func(all ...string) (out []image.Summary) {
		for _, one := range all {
			id, name, _ := strings.Cut(one, " ")
			i := image.Summary{ID: id, Size: 100}
			switch {
			case strings.Contains(name, "@"):
				i.RepoDigests = []string{name}
			case name != "":
				i.RepoTags = []string{name}
			}
			out = append(out, i)
		}
		return out
	}
	return []NodeStore{
		{
			ID: "id-box1", Name: "box1", Used: map[string]bool{"sha256:3": true},
			InUse: map[string]bool{"shop_data": true},
			Images: images(
				"sha256:1 ghcr.io/me/web@sha256:5f70bf18a08600", "sha256:2 ghcr.io/me/web@sha256:bb",
				"sha256:3 ghcr.io/me/web@sha256:aa", "sha256:4 ghcr.io/me/web@sha256:99",
				"sha256:5 ghcr.io/me/web:latest", "sha256:6 ghcr.io/me/shared@sha256:88", "sha256:7 other@sha256:77",
				"sha256:8", "sha256:9",
			),
			Volumes: []volume.Volume{{Name: "shop_data"}, {Name: "theirs"}},
		},
		{ID: "id-box2", Name: "box2", Volumes: []volume.Volume{
			{Name: "shop_data"},
			{Name: "shop_cache", Labels: labelled("shop")},
			{Name: "blog_data", Labels: labelled("blog")},
		}},
		{ID: "id-box3", Name: "box3", Unasked: "it is down"},
	}
}

func items(all []Item) (out []string) {
	for _, i := range all {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", i.Kind, i.ID, i.Node)))
	}
	slices.Sort(out)
	return out
}

func TestCleanup(t *testing.T) {
	p, err := cluttered().PlanCleanup(stores(), []string{"shop_cache"}, map[string]bool{"sha256:9": true})
	if err != nil {
		t.Fatal(err)
	}
	goes := []string{
		"config id-shop_conf-1", "image sha256:4 box1", "image sha256:9 box1", "network id-shop_back",
		"secret id-shop_key-old", "volume shop_cache box2",
	}
	if got := items(p.Remove); !slices.Equal(got, goes) {
		t.Errorf("goes %q, want %q", got, goes)
	}
	stays := []string{
		"config id-shop_compose-mage-deploy", "config id-shop_conf-2", "image sha256:3 box1", "image sha256:6 box1",
		"network id-shop_front", "network id-shop_new", "network id-shop_shared", "secret id-shop_key-0",
		"secret id-shop_key-1", "secret id-shop_key-2", "volume shop_data box1", "volume shop_data box2",
	}
	if got := items(p.Keep); !slices.Equal(got, stays) {
		t.Errorf("stays %q, want %q", got, stays)
	}
	if p.Bytes != 200 || len(p.Unasked) != 1 {
		t.Errorf("%d bytes, unasked %q", p.Bytes, p.Unasked)
	}
	var b bytes.Buffer
	p.Print(ui.New(&b))
	for _, want := range []string{
		"cleaning up stack shop on 3 nodes of the Swarm of box1", "remove secret shop_key-old: no service has it",
		"keep volume shop_data on box2: holds data; goes only when named", "box3 is not known: it is down",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

// Without files that say what should be, what services have stays all the same.
func TestCleanupOfVolumes(t *testing.T) {
	for named, want := range map[string]string{
		"shop_data": "is in use: nothing was removed", "blog_data": "is not of stack shop",
		"theirs": "is not of stack shop", "nowhere": "no node that can be asked has a volume",
	} {
		if _, err := cluttered().PlanCleanup(stores(), []string{named}, nil); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", named, err)
		}
	}
	free := stores()
	free[0].InUse = nil
	p, err := cluttered().PlanCleanup(free, []string{"data"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range p.Remove {
		if i.Kind == kindVolume {
			got = append(got, i.Name+" "+i.Node)
		}
	}
	if !slices.Equal(got, []string{"shop_data box1", "shop_data box2"}) {
		t.Errorf("by its key: %q", got)
	}
}

func TestRemovalOfAStack(t *testing.T) {
	p, err := cluttered().PlanRemoval()
	if err != nil {
		t.Fatal(err)
	}
	goes := []string{
		"config id-shop_compose-mage-deploy", "config id-shop_conf-1", "config id-shop_conf-2", "network id-shop_back",
		"network id-shop_front", "network id-shop_new", "secret id-shop_key-0", "secret id-shop_key-1",
		"secret id-shop_key-2", "secret id-shop_key-old", "service id-api", "service id-web",
	}
	if got := items(p.Remove); !slices.Equal(got, goes) {
		t.Errorf("goes %q, want %q", got, goes)
	}
	if got := items(p.Keep); !slices.Equal(got, []string{"network id-shop_shared"}) {
		t.Errorf("stays %q", got)
	}
	if p.Remove[0].Kind != kindService {
		t.Errorf("%s is removed before the services that have it", p.Remove[0].Name)
	}
	none := shop(nil)
	none.AllServices = cluttered().AllServices
	none.Stack = "shp"
	if _, err := none.PlanRemoval(); err == nil || !strings.Contains(err.Error(), `did you mean "shop"`) {
		t.Errorf("a stack that is not there: %v", err)
	}
}
