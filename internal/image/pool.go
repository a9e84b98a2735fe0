package image

import (
	"cmp"
	"errors"
	"hash/fnv"
	"slices"
	"sync"

	"github.com/25eloquence/compose-mage/internal/builder"
)

// builderPool is the builders of a run. Each image goes to one of them, the same builder in the next run as long as
// the set of builders and images is the same, so that the image finds its cache. Images of a builder that dies go to
// the others.
type builderPool struct {
	mu      sync.Mutex
	members []*member
}

type member struct {
	*builder.Builder
	dead   bool
	images int
}

// errNoBuilder means that every builder of the run has died.
var errNoBuilder = errors.New("no builder is left")

func newBuilderPool(builders []*builder.Builder) *builderPool {
	p := &builderPool{}
	for _, b := range builders {
		p.members = append(p.members, &member{Builder: b})
	}
	return p
}

// share distributes the images evenly, each to the builder that its name prefers among those that may take more.
func (p *builderPool) share(services []string) map[string]*member {
	out := map[string]*member{}
	most := (len(services) + len(p.members) - 1) / max(1, len(p.members))
	for _, s := range services {
		for _, m := range p.preference(s) {
			if m.images < most {
				m.images++
				out[s] = m
				break
			}
		}
	}
	return out
}

// next gives another living builder for an image whose builder died; errNoBuilder where there is none.
func (p *builderPool) next(service string, died *member) (*member, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	died.dead = true
	for _, m := range p.preference(service) {
		if !m.dead {
			return m, nil
		}
	}
	return nil, errNoBuilder
}

// preference orders the builders for one image (rendezvous hashing): a builder that comes or goes moves only its own
// images.
func (p *builderPool) preference(service string) []*member {
	weight := func(m *member) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(m.ID + "\x00" + service))
		return h.Sum64()
	}
	members := slices.Clone(p.members)
	slices.SortFunc(members, func(a, b *member) int { return cmp.Compare(weight(b), weight(a)) })
	return members
}
