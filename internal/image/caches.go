package image

import (
	"context"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"

	"github.com/25eloquence/compose-mage/internal/buildcache"
	"github.com/25eloquence/compose-mage/internal/buildplan"
)

// cacheReachable says whether the cache's registry answers, which is asked once a run; the first image that hears of a
// failure says so.
func (r *run) cacheReachable(ctx context.Context, m *member) bool {
	if r.Cache.Type == "registry" && r.probe.Silent(r.Cache.Prefix+"/x") {
		return false
	}
	return m.Remote || r.cacheAnswers(ctx) == nil
}

// usableImports leaves out of t's imports what would hold the builder: caches in a registry that does not answer, or
// not to the end. The registry that setup made is not asked: Cache.Answers knows it by its key.
func (r *run) usableImports(ctx context.Context, t buildplan.Target, m *member) []client.CacheOptionsEntry {
	imports := t.CacheImports(r.Cache)
	if len(imports) > 0 && !r.cacheReachable(ctx, m) {
		imports = t.CacheImports(buildcache.Cache{}) // the Compose file's own
	}
	r.probe.Ask(ctx, m.Client, unknownCaches(imports, r.Cache))
	return slices.DeleteFunc(imports, r.registrySilent)
}

// unknownCaches are the references of caches whose registry has to be asked whether it gives them: all but those in
// the registry that setup made.
func unknownCaches(imports []client.CacheOptionsEntry, c buildcache.Cache) []string {
	var refs []string
	for _, e := range imports {
		if ref := e.Attrs["ref"]; e.Type == "registry" && (c.Local == nil || !strings.HasPrefix(ref, c.Prefix+"/")) {
			refs = append(refs, ref)
		}
	}
	return refs
}

// usableExports leaves out of t's exports those to a registry that did not answer.
func (r *run) usableExports(ctx context.Context, t buildplan.Target, m *member) []client.CacheOptionsEntry {
	exports := t.CacheExports(r.Cache)
	if len(exports) > 0 && !r.cacheReachable(ctx, m) {
		exports = t.CacheExports(buildcache.Cache{Write: true})
	}
	return slices.DeleteFunc(exports, r.registrySilent)
}

func (r *run) registrySilent(e client.CacheOptionsEntry) bool {
	return e.Type == "registry" && r.probe.Silent(e.Attrs["ref"])
}
