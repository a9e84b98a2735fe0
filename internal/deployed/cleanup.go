package deployed

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/deploy"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// Item is one thing that goes or stays.
type Item struct {
	Kind  string `json:"kind"` // service, secret, config, network, image or volume
	ID    string `json:"id"`
	Name  string `json:"name"`
	Node  string `json:"node,omitempty"` // that has it; "" for what the Swarm has
	Bytes int64  `json:"bytes"`          // what removing it frees, at least
	Why   string `json:"why"`            // why it goes, or why it stays

	nodeID string
}

// The kinds, in the order in which they are removed: users before what they use.
const (
	kindService = "service"
	kindImage   = "image"
	kindNetwork = "network"
	kindSecret  = "secret"
	kindConfig  = "config"
	kindVolume  = "volume"
)

// CleanupPlan is what goes of a stack, and what stays.
type CleanupPlan struct {
	Stack   string   `json:"stack"`
	Whole   bool     `json:"whole"` // the stack itself goes
	DryRun  bool     `json:"dry_run"`
	Bytes   int64    `json:"bytes"` // what goes frees at least this
	Remove  []Item   `json:"remove"`
	Keep    []Item   `json:"keep"`
	Unasked []string `json:"unasked"` // nodes whose images and volumes are not known, and why

	said string
}

func (p *CleanupPlan) remove(i Item) {
	p.Remove, p.Bytes = append(p.Remove, i), p.Bytes+i.Bytes
}

func (p *CleanupPlan) keep(i Item) { p.Keep = append(p.Keep, i) }

func (s Stack) newCleanup() CleanupPlan {
	return CleanupPlan{Stack: s.Stack, Remove: []Item{}, Keep: []Item{}, Unasked: []string{}, said: s.Said()}
}

// NodeStore is what the engine of a node keeps that may be the stack's.
type NodeStore struct {
	ID, Name string
	Images   []image.Summary
	Used     map[string]bool // images that containers there have, running or not, by ID
	Volumes  []volume.Volume
	InUse    map[string]bool // volumes that containers there have, by name
	Unasked  string          // why it is not known; "" where it is
}

// PlanCleanup says what of the stack nobody uses any more. volumes are those that are named to be removed with their
// data; built are images that builds here made for the project, by ID.
func (s Stack) PlanCleanup(stores []NodeStore, volumes []string, built map[string]bool) (CleanupPlan, error) {
	p := s.newCleanup()
	used := s.uses()
	for _, n := range s.Networks {
		if n.Scope != "swarm" || !s.Ours(n.Labels) {
			continue
		}
		s.unless(&p, Item{Kind: kindNetwork, ID: n.ID, Name: n.Name}, used, s.inFiles(n.Name))
	}
	for _, x := range s.Secrets {
		if s.Ours(x.Spec.Labels) {
			s.unless(&p, Item{Kind: kindSecret, ID: x.ID, Name: x.Spec.Name}, used, "")
		}
	}
	for _, x := range s.Configs {
		if !s.Ours(x.Spec.Labels) {
			continue
		}
		why := ""
		if deploy.IsRecord(x.Spec.Name, s.Stack) {
			why = "what was before a deploy that did not come to its end: the next one needs it"
		}
		s.unless(&p, Item{Kind: kindConfig, ID: x.ID, Name: x.Spec.Name}, used, why)
	}
	missing := slices.Clone(volumes)
	for _, store := range stores {
		if store.Unasked != "" {
			p.Unasked = append(p.Unasked, store.Name+" is not known: "+store.Unasked)
			continue
		}
		s.images(&p, store, built)
		found, err := s.volumes(&p, store, volumes)
		if err != nil {
			return p, err
		}
		missing = slices.DeleteFunc(missing, func(name string) bool { return slices.Contains(found, name) })
	}
	if len(missing) > 0 {
		return p, fault.New(fault.Usage, "go tool mage cleanup -dry-run",
			"no node that can be asked has a volume %q of stack %s: nothing was removed", missing[0], s.Stack)
	}
	return p, nil
}

// unless plans the removal of what no service has and nothing else needs.
func (s Stack) unless(p *CleanupPlan, i Item, used map[string]string, needed string) {
	user, has := used[i.ID]
	if !has {
		user, has = used[i.Name]
	}
	switch {
	case has:
		i.Why = "service " + user + " has it"
	case needed != "":
		i.Why, has = needed, true
	default:
		i.Why = "no service has it"
	}
	if has {
		p.keep(i)
		return
	}
	p.remove(i)
}

// inFiles says whether the Compose files still have the network.
func (s Stack) inFiles(network string) string {
	if s.Project != nil {
		for _, n := range s.Project.Networks {
			if n.Name == network {
				return "the Compose files have it"
			}
		}
	}
	return ""
}

// uses gives who has networks, secrets and configs, by their IDs (networks by name too): services of every stack, as
// they are and as they were before, to which a roll-back goes; and tasks that have not ended.
func (s Stack) uses() map[string]string {
	out := map[string]string{}
	names := map[string]string{}
	for _, service := range s.AllServices {
		names[service.ID] = service.Spec.Name
		if before := service.PreviousSpec; before != nil {
			useOf(before.TaskTemplate, service.Spec.Name+", as it was before,", out)
		}
	}
	for _, t := range s.Tasks {
		if !cluster.Ended(t) {
			useOf(t.Spec, cmpName(names[t.ServiceID], t.ServiceID), out)
		}
	}
	for _, service := range s.AllServices {
		useOf(service.Spec.TaskTemplate, service.Spec.Name, out)
	}
	return out
}

func cmpName(name, id string) string {
	if name == "" {
		return id
	}
	return name
}

func useOf(spec swarm.TaskSpec, who string, out map[string]string) {
	for _, n := range spec.Networks {
		out[n.Target] = who
	}
	if c := spec.ContainerSpec; c != nil {
		for _, x := range c.Secrets {
			out[x.SecretID] = who
		}
		for _, x := range c.Configs {
			out[x.ConfigID] = who
		}
	}
}

// images plans the removal of old images of the stack on a node: those without a name that were pulled from the
// repository of one of its services, or that a build here made for the project, and that no service has.
func (s Stack) images(p *CleanupPlan, store NodeStore, built map[string]bool) {
	ours, others, wanted := s.repositories()
	for _, i := range store.Images {
		if slices.ContainsFunc(i.RepoTags, func(tag string) bool { return tag != "<none>:<none>" }) {
			continue
		}
		var from string
		keep := wanted[i.ID]
		foreign := false
		for _, digest := range i.RepoDigests {
			repository := repositoryOf(digest)
			keep = keep || wanted[digestOf(digest)]
			foreign = foreign || others[repository]
			if ours[repository] {
				from = repository
			}
		}
		if from == "" && !built[i.ID] || keep {
			continue
		}
		item := Item{
			Kind: kindImage, ID: i.ID, Name: cmpName(from, i.ID), Node: store.Name, nodeID: store.ID, Bytes: i.Size,
		}
		switch {
		case store.Used[i.ID]:
			item.Why = "a container there has it"
			p.keep(item)
		case foreign:
			item.Why = "another stack has images of that name"
			p.keep(item)
		default:
			item.Why = "an old image of the stack, without a tag; no service has it"
			p.remove(item)
		}
	}
}

// repositories are those of the stack's images, and of other ones'; wanted are the digests and IDs that services have,
// now or as they were before.
func (s Stack) repositories() (ours, others, wanted map[string]bool) {
	ours, others, wanted = map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, service := range s.AllServices {
		for _, spec := range []*swarm.ServiceSpec{&service.Spec, service.PreviousSpec} {
			if spec == nil || spec.TaskTemplate.ContainerSpec == nil {
				continue
			}
			name := spec.TaskTemplate.ContainerSpec.Image
			wanted[digestOf(name)] = true
			repository := repositoryOf(name)
			switch {
			case repository == "":
			case s.Ours(service.Spec.Labels):
				ours[repository] = true
			default:
				others[repository] = true
			}
		}
	}
	return ours, others, wanted
}

// repositoryOf is the repository of a reference, in full; "" of an ID.
func repositoryOf(text string) string {
	if strings.HasPrefix(text, "sha256:") {
		return ""
	}
	text, _, _ = strings.Cut(text, "@")
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return ""
	}
	return named.Name()
}

// digestOf is the digest of a reference, or the ID that it is.
func digestOf(text string) string {
	if _, digest, pinned := strings.Cut(text, "@"); pinned {
		return digest
	}
	return text
}

// volumes keeps the stack's volumes on a node, but for those that are named. It gives the names that it has found.
func (s Stack) volumes(p *CleanupPlan, store NodeStore, named []string) (found []string, err error) {
	keys := s.volumeKeys()
	for _, v := range store.Volumes {
		key, known := keys[v.Name]
		if !s.Ours(v.Labels) && !known {
			if slices.Contains(named, v.Name) {
				return nil, fault.New(fault.Usage, "docker volume inspect "+fault.Quote(v.Name),
					"volume %q on %s is not of stack %s: it stays, and nothing was removed", v.Name,
					store.Name, s.Stack)
			}
			continue
		}
		item := Item{Kind: kindVolume, ID: v.Name, Name: v.Name, Node: store.Name, nodeID: store.ID}
		i := slices.IndexFunc(named, func(name string) bool { return name == v.Name || known && name == key })
		switch {
		case i < 0:
			item.Why = "holds data; goes only when named"
			p.keep(item)
			continue
		case store.InUse[v.Name]:
			return nil, fault.New(fault.Failed, "go tool mage stop",
				"volume %q on %s is in use: nothing was removed", v.Name, store.Name)
		}
		found = append(found, named[i])
		item.Why = "named by you; it holds data"
		p.remove(item)
	}
	return found, nil
}

// volumeKeys are the keys of the files' own volumes, by their names on an engine.
func (s Stack) volumeKeys() map[string]string {
	out := map[string]string{}
	if s.Project == nil {
		return out
	}
	for key, v := range s.Project.Volumes {
		if !bool(v.External) {
			out[v.Name] = key
		}
	}
	return out
}

// PlanRemoval takes the whole stack down: all that it has on the Swarm. Images and volumes stay on the nodes.
func (s Stack) PlanRemoval() (CleanupPlan, error) {
	p := s.newCleanup()
	p.Whole = true
	const why = "of the stack, which is removed"
	for _, name := range slices.Sorted(maps.Keys(s.Services)) {
		p.remove(Item{Kind: kindService, ID: s.Services[name].ID, Name: s.Services[name].Spec.Name, Why: why})
	}
	others := s
	others.Tasks, others.AllServices = nil, slices.DeleteFunc(slices.Clone(s.AllServices),
		func(o swarm.Service) bool { return s.Ours(o.Spec.Labels) })
	users := others.uses()
	add := func(kind, id, name string) {
		i := Item{Kind: kind, ID: id, Name: name, Why: why}
		user := users[id]
		if user == "" {
			user = users[name]
		}
		if user != "" {
			i.Why = fmt.Sprintf("service %s, which is not of the stack, has it", user)
			p.keep(i)
			return
		}
		p.remove(i)
	}
	for _, n := range s.Networks {
		if n.Scope == "swarm" && s.Ours(n.Labels) {
			add(kindNetwork, n.ID, n.Name)
		}
	}
	for _, x := range s.Secrets {
		if s.Ours(x.Spec.Labels) {
			add(kindSecret, x.ID, x.Spec.Name)
		}
	}
	for _, x := range s.Configs {
		if s.Ours(x.Spec.Labels) {
			add(kindConfig, x.ID, x.Spec.Name)
		}
	}
	if len(p.Remove)+len(p.Keep) == 0 {
		return p, fault.New(fault.Usage, "docker stack ls", "there is no stack %q on the Swarm of %s%s", s.Stack,
			s.Manager(), fault.DidYouMean(s.Stack, s.stacks()))
	}
	return p, nil
}

// stacks are the names of all stacks of the Swarm.
func (s Stack) stacks() []string {
	found := map[string]bool{}
	for _, service := range s.AllServices {
		if name := service.Spec.Labels[stackLabel]; name != "" {
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
