package bases

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// Resolver asks a registry which digest each reference has now. It gives a digest for every one of refs, or an error.
type Resolver interface {
	Resolve(ctx context.Context, refs []string) (map[string]digest.Digest, error)
}

// Change is what a refresh makes of one reference. An empty From means that it is new, an empty To that no Dockerfile
// starts from it any more.
type Change struct {
	Ref      string
	From, To digest.Digest
}

// String gives "golang:1.26-bookworm  sha256:0123456789ab… -> sha256:ba9876543210…".
func (c Change) String() string {
	switch {
	case c.From == "":
		return fmt.Sprintf("%s  new %s", c.Ref, brief(c.To))
	case c.To == "":
		return c.Ref + "  no longer used"
	}
	return fmt.Sprintf("%s  %s -> %s", c.Ref, brief(c.From), brief(c.To))
}

// brief gives the first 12 letters of a digest, as docker images does.
func brief(d digest.Digest) string {
	if hex := d.Encoded(); len(hex) > 12 {
		return d.Algorithm().String() + ":" + hex[:12] + "…"
	}
	return d.String()
}

// Refresh gives the lock that refs have now, and what that changes of old, sorted by reference. References that local
// holds were made on this machine: no registry has those digests, so they are not asked for, and what old says of them
// stays. Where one digest can't be had the error is of code Registry, and the lock is the zero Lock: there is no half
// refresh.
func Refresh(ctx context.Context, r Resolver, refs []string, old, local Lock) (Lock, []Change, error) {
	next := Lock{entries: map[string]entry{}, header: old.header, trailer: old.trailer}
	var ask []string
	for _, ref := range refs {
		key, err := normalize(ref)
		if err != nil {
			return Lock{}, nil, fault.New(fault.Config, fault.Correct, "reading the reference %q: %w", ref, err)
		}
		if _, made := local.entries[key]; !made {
			ask = append(ask, ref)
		} else if e, ok := old.entries[key]; ok {
			next.entries[key] = e
		}
	}
	digests := map[string]digest.Digest{}
	if len(ask) > 0 {
		var err error
		if digests, err = r.Resolve(ctx, ask); err != nil {
			return Lock{}, nil, err
		}
	}
	for _, ref := range ask {
		key, _ := normalize(ref) // it was above
		d, ok := digests[ref]
		if err := d.Validate(); !ok || err != nil {
			return Lock{}, nil,
				fault.New(fault.Registry, "go tool mage lock", "asking for the digest of %q: the answer was %q", ref, d)
		}
		next.entries[key] = entry{ref: ref, digest: d, comment: old.entries[key].comment}
	}
	return next, changes(old, next), nil
}

func changes(old, next Lock) []Change {
	all := maps.Clone(next.entries)
	for key, e := range old.entries {
		if _, ok := all[key]; !ok {
			all[key] = e
		}
	}
	var out []Change
	for key, e := range all {
		c := Change{Ref: e.ref, From: old.entries[key].digest, To: next.entries[key].digest}
		if c.From != c.To {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Ref, b.Ref) })
	return out
}
