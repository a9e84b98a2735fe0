package cleanup

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/container"
)

// The world as the oracle sees it: plain things, without labels, references or IDs in their many forms.
type (
	world struct {
		images     []thing
		containers []box1
		volumes    []data
		builds     []made // the last first
	}
	thing struct {
		id              string
		ours, digest    bool
		parent          string
		tags            []string
		inheritedLabels bool // committed from a container
	}
	box1 struct {
		id, service, state, image            string
		ours, compose, oneOff, fresh, aClone bool // aClone: of another checkout
		volumes                              []string
	}
	data struct {
		name            string
		anonymous, ours bool
		size            int64
	}
	made struct {
		image, service string
		here           bool
		names          []string
	}
)

// current are the names in the Compose file, whose services are a and b.
var current = []string{"shop/a:now", "shop/b:now"}

// imageGoes is the oracle for images: exactly what a build here made, which nobody named or needs, but the last three
// tagged.
func (w world) imageGoes(p thing) bool {
	mine := func(m made) bool { return m.image == p.id && m.here }
	by := slices.DeleteFunc(slices.Clone(w.builds), func(m made) bool { return m.image != p.id })
	used := slices.ContainsFunc(w.containers, func(c box1) bool { return c.image == p.id && !w.containerGoes(c) })
	child := slices.ContainsFunc(w.images, func(c thing) bool { return c.parent == p.id })
	given := func(tag string) bool {
		return slices.ContainsFunc(by, func(m made) bool { return slices.Contains(m.names, tag) })
	}
	strange := slices.ContainsFunc(p.tags,
		func(tag string) bool { return slices.Contains(current, tag) || !given(tag) })
	return p.ours && len(by) > 0 && !slices.ContainsFunc(by, func(m made) bool { return !mine(m) }) && !used &&
		!child && !strange &&
		(len(p.tags) > 0 || !p.digest)
}

// releases is the oracle's second half: the last three images of each service that still have a name which a build
// here gave them.
func (w world) releases() (stay []string) {
	count := map[string]int{}
	for _, m := range w.builds {
		at := slices.IndexFunc(w.images, func(p thing) bool { return p.id == m.image })
		given := m.here &&
			slices.ContainsFunc(w.images[at].tags, func(tag string) bool { return slices.Contains(m.names, tag) })
		if given &&
			!slices.ContainsFunc(current, func(tag string) bool { return slices.Contains(w.images[at].tags, tag) }) {
			if count[m.service]++; count[m.service] <= 3 {
				stay = append(stay, m.image)
			}
		}
	}
	return stay
}

// leftOver says that a container is one that Compose made here, that has ended, and that no start uses again.
func (w world) leftOver(c box1) bool {
	return c.ours && c.compose && !c.aClone && !c.fresh && c.state != "running" && (c.oneOff || c.service == "gone")
}

// containerGoes is the oracle for containers: what is left over, and no only link to data that nobody named.
func (w world) containerGoes(c box1) bool {
	return w.leftOver(c) && !slices.ContainsFunc(w.volumes, func(v data) bool {
		return v.anonymous && v.size != 0 && slices.Contains(c.volumes, v.name) &&
			!slices.ContainsFunc(w.containers, func(o box1) bool {
				return o.id != c.id && o.ours && o.compose && !o.oneOff && !w.leftOver(o) &&
					slices.Contains(o.volumes, v.name)
			})
	})
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func randomWorld(r *rand.Rand) world {
	var w world
	odds := func(percent int) bool { return r.IntN(100) < percent }
	free := []string{
		"shop/a:now", "shop/b:now", "shop/a:1", "shop/a:2", "shop/a:3", "shop/a:4", "shop/a:5", "shop/b:1", "shop/b:2",
		"shop/b:3", "mine/golden:1", "a:1",
	}
	names := slices.Clone(free)
	for i := range r.IntN(16) {
		p := thing{id: fmt.Sprintf("sha256:%02d", i), ours: odds(85), digest: odds(8)}
		if i > 0 && odds(10) {
			p.parent, p.inheritedLabels = w.images[r.IntN(i)].id, odds(50)
		}
		for len(free) > 0 && odds(45) {
			at := r.IntN(len(free))
			p.tags, free = append(p.tags, free[at]), slices.Delete(free, at, at+1)
		}
		w.images = append(w.images, p)
		for odds(65) && len(w.builds) < 60 {
			m := made{image: p.id, service: pick(r, "a", "b"), here: odds(92)}
			if odds(85) {
				m.names = slices.Clone(p.tags)
			}
			if odds(30) {
				m.names = append(m.names, pick(r, names...))
			}
			if !slices.ContainsFunc(w.builds,
				func(o made) bool { return o.image == m.image && o.service == m.service && o.here == m.here }) {
				w.builds = append(w.builds, m)
			}
		}
	}
	r.Shuffle(len(w.builds), func(i, j int) { w.builds[i], w.builds[j] = w.builds[j], w.builds[i] })
	for i := range r.IntN(5) {
		anonymous := odds(70)
		name := fmt.Sprint("volume-", i)
		if anonymous {
			name = fmt.Sprintf("%064x", i)
		}
		w.volumes = append(w.volumes, data{name, anonymous, odds(50), pick[int64](r, -1, 0, 5)})
	}
	for i := range r.IntN(9) {
		c := box1{
			id: fmt.Sprint("c", i), service: pick(r, "a", "b", "gone"),
			state: pick(r, "running", "exited", "exited", "created", "dead"), image: "sha256:pulled",
			ours: odds(85), compose: odds(85), oneOff: odds(40), aClone: odds(10),
		}
		c.fresh = c.state == "created" && odds(50)
		if len(w.images) > 0 && odds(60) {
			c.image = pick(r, w.images...).id
		}
		for _, v := range w.volumes {
			if odds(35) {
				c.volumes = append(c.volumes, v.name)
			}
		}
		w.containers = append(w.containers, c)
	}
	return w
}

// engine is the world as an engine tells it.
func (w world) engine() observed {
	seen := observed{now: now, folder: here, builderCache: -1, others: map[string]string{}}
	seen.every = []image.Summary{{ID: "sha256:pulled"}}
	project := map[bool]string{true: "shop", false: "cafe"}
	for _, p := range w.images {
		i := image.Summary{
			ID: p.id, ParentID: p.parent, RepoTags: slices.Clone(p.tags),
			Labels: map[string]string{container.ProjectLabel: project[p.ours]},
		}
		if p.inheritedLabels {
			i.Labels[container.ConfigHashLabel] = "inherited"
		}
		if p.digest {
			i.RepoDigests = []string{"shop/a@sha256:" + strings.Repeat("0", 62) + p.id[len(p.id)-2:]}
		}
		seen.every = append(seen.every, i)
		if hidden := len(p.tags) == 0 &&
			slices.ContainsFunc(w.images, func(c thing) bool { return c.parent == p.id }); !hidden {
			seen.images = append(seen.images, i)
		}
	}
	for _, c := range w.containers {
		s := moby.Summary{
			ID: c.id, Names: []string{"/" + c.id}, ImageID: c.image, State: moby.ContainerState(c.state),
			Created: now.Add(-time.Hour).Unix(),
		}
		if c.fresh {
			s.Created = now.Add(-time.Minute).Unix()
		}
		s.Labels = map[string]string{
			container.ProjectLabel: project[c.ours], container.ServiceLabel: c.service, container.OneOffLabel: "False",
		}
		if c.oneOff {
			s.Labels[container.OneOffLabel] = "True"
		}
		if c.aClone {
			seen.others[c.id] = "/src/clone"
		}
		switch at := slices.IndexFunc(seen.every, func(i image.Summary) bool { return i.ID == c.image }); {
		case c.compose:
			s.Labels[container.ConfigHashLabel] = "its own"
		case seen.every[at].Labels[container.ConfigHashLabel] != "": // run by hand from a commit
			s.Labels[container.ConfigHashLabel] = seen.every[at].Labels[container.ConfigHashLabel]
		}
		for _, v := range c.volumes {
			s.Mounts = append(s.Mounts, moby.MountPoint{Type: mount.TypeVolume, Name: v})
		}
		seen.containers = append(seen.containers, s)
	}
	for _, v := range w.volumes {
		e := volume.Volume{
			Name: v.name, Labels: map[string]string{container.ProjectLabel: project[v.ours]},
			UsageData: &volume.UsageData{Size: v.size},
		}
		seen.volumes = append(seen.volumes, e)
	}
	for _, m := range w.builds {
		b := builds.Record{
			ID: m.image, Service: m.service, Dir: map[bool]string{true: here, false: "/src/clone"}[m.here],
		}
		for _, name := range m.names {
			b.Names = append(b.Names, normalise(name))
		}
		seen.records = append(seen.records, b)
	}
	return seen
}

// seedVariable repeats a world that TestPlansAgreeWithTheOracle found.
const seedVariable = "CLEANUP_SEED"

func TestPlansAgreeWithTheOracle(t *testing.T) {
	project := &types.Project{Name: "shop", Services: types.Services{
		"a": {Name: "a", ContainerSpec: types.ContainerSpec{Image: "shop/a:now"}},
		"b": {Name: "b", ContainerSpec: types.ContainerSpec{Image: "shop/b:now"}},
	}}
	first, worlds := rand.Uint64(), 4000
	if s := os.Getenv(seedVariable); s != "" {
		var err error
		if first, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
		worlds = 1
	}
	went := map[Kind]int{}
	for n := range worlds {
		seed := first + uint64(n)
		w := randomWorld(rand.New(rand.NewPCG(seed, 0)))
		plan, err := decide(w.engine(), project, Options{Scope: Project})
		if err != nil {
			t.Fatalf("%s=%d: %v", seedVariable, seed, err)
		}
		var got, want []string
		for _, i := range plan.Remove {
			got = append(got, string(i.Kind)+" "+i.ID)
			went[i.Kind]++
		}
		for _, c := range w.containers {
			if w.containerGoes(c) {
				want = append(want, "container "+c.id)
			}
		}
		stay := w.releases()
		for _, p := range w.images {
			if w.imageGoes(p) && !slices.Contains(stay, p.id) {
				want = append(want, "image "+p.id)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%s=%d: goes %q, the oracle says %q in\n%+v", seedVariable, seed, got, want, w)
		}
	}
	if worlds > 1 && (went[Image] < worlds/20 || went[Container] < worlds/20) {
		t.Errorf("too little went to tell: %v in %d worlds", went, worlds)
	}
}
