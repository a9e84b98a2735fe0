package registry

import (
	"context"
	"sync"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// question has a registry give the manifest and the configuration of a reference. That it ended is all that counts.
type question func(ctx context.Context, ref string)

// Probe finds the registries that do not give a build cache's manifest, and remembers them. A builder that imports a
// cache waits for its manifest where it orders the steps of all its builds: a manifest that does not come, or does not
// end, would hold every build there until the registry lets go, and the end of the build that asked for it ends
// nothing. The probe is a question that can be given up.
type Probe struct {
	within time.Duration
	report func(registry string) // of each that is silent, once

	mu     sync.Mutex
	heard  map[string]time.Time // by registry: when it last answered
	silent map[string]bool      // by registry
}

// NewProbe makes a probe that waits that long for an answer of a registry, whichever of the caches there the answer is
// about. report is called once for each registry that is silent.
func NewProbe(within time.Duration, report func(registry string)) *Probe {
	return &Probe{within: within, report: report, heard: map[string]time.Time{}, silent: map[string]bool{}}
}

// Ask asks the registries of these references through the builder, which has its own certificates, mirrors and ways.
// Silent then knows the registries that did not answer. That a builder is away is for the build to find.
func (p *Probe) Ask(ctx context.Context, builder *client.Client, refs []string) {
	if len(refs) == 0 {
		return
	}
	_ = Builder{builder}.ask(ctx, true, func(ctx context.Context, c gateway.Client) error {
		p.all(ctx, refs, func(ctx context.Context, ref string) { _, _ = imageDigest(ctx, c, ref, "build cache "+ref) })
		return nil
	})
}

// Silent says whether the registry of ref was asked and did not answer.
func (p *Probe) Silent(ref string) bool {
	registry, _ := splitReference(ref)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.silent[registry]
}

func (p *Probe) all(ctx context.Context, refs []string, ask question) {
	var all sync.WaitGroup
	for _, ref := range refs {
		if registry, full := splitReference(ref); registry != "" {
			all.Go(func() { p.one(ctx, registry, full, ask) })
		}
	}
	all.Wait()
}

// one asks for ref until the registry answers, or has answered nothing at all for too long: the answers of a registry
// that is only slow come one after the other.
func (p *Probe) one(ctx context.Context, registry, ref string, ask question) {
	asking, giveUp := context.WithCancel(ctx)
	answered := make(chan struct{})
	begun := time.Now()
	go func() {
		defer close(answered)
		ask(asking, ref)
	}()
	defer func() {
		giveUp()
		<-answered
	}()
	tick := time.NewTicker(p.within / 50)
	defer tick.Stop()
	for {
		select {
		case <-answered:
			p.mu.Lock()
			p.heard[registry] = time.Now()
			p.mu.Unlock()
			return
		case <-ctx.Done():
			return
		case <-tick.C:
			if p.late(registry, begun) {
				return
			}
		}
	}
}

// late says whether the registry has answered nothing for too long to what it was asked at begun.
func (p *Probe) late(registry string, begun time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent[registry] {
		return true
	}
	if heard := p.heard[registry]; heard.After(begun) {
		begun = heard
	}
	if time.Since(begun) < p.within {
		return false
	}
	p.silent[registry] = true
	p.report(registry)
	return true
}

// splitReference gives the registry of a reference and its full form; "" where it is none.
func splitReference(ref string) (registry, full string) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", ""
	}
	return reference.Domain(named), reference.TagNameOnly(named).String()
}
