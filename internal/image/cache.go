package image

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// Cache says where results of builds are kept between runs and machines. The zero Cache keeps none.
type Cache struct {
	Type   string            // "registry", "gha", "local"; "" for none
	Prefix string            // of the reference in a registry, the directory of a local cache, the scope of a gha one
	Attrs  map[string]string // further attributes for BuildKit, such as gha's url
	Branch string            // results are written under this name …
	Main   string            // … and read from it and, after it, from this one
	Write  bool
	// Local is the registry that setup started, where the cache is in that: whoever else listens on its port must not pass for it.
	// nil for another.
	Local interface{ Answers(context.Context) error }
}

// ReadCache reads CACHE_REGISTRY's value: "host:port" or "host/path" (a registry), "type=gha[,scope=…]",
// "type=local,dest=DIR", "type=registry,ref=host/path"; "none" or "" for no cache. Errors are of code Usage.
func ReadCache(value string) (Cache, error) {
	c := Cache{Main: "main", Branch: "main", Write: true, Attrs: map[string]string{}}
	switch {
	case value == "" || value == "none":
		return Cache{Write: true}, nil // where the Compose file says
	case !strings.Contains(value, "="):
		c.Type, c.Prefix = "registry", strings.TrimSuffix(value, "/")
		return c, nil
	}
	entry := cacheEntry(value)
	c.Type, c.Attrs = entry.Type, entry.Attrs
	key := map[string]string{"registry": "ref", "local": "dest", "gha": "scope"}[c.Type]
	if key == "" {
		return Cache{}, fault.New(fault.Usage, "CACHE_REGISTRY=none for a build without it", "cache %q: type %q is not known; use a registry's host/path, type=registry, type=gha or type=local", value, c.Type)
	}
	c.Prefix = strings.TrimSuffix(c.Attrs[key], "/")
	delete(c.Attrs, key)
	if c.Prefix == "" && c.Type != "gha" {
		return Cache{}, fault.New(fault.Usage, "CACHE_REGISTRY=none for a build without it", "cache %q: %s= is missing", value, key)
	}
	return c, nil
}

// notInTag is what a registry's tag can't hold.
var notInTag = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// tag is a branch's name as a registry's tag.
func tag(branch string) string {
	t := "cache-" + notInTag.ReplaceAllString(branch, "-")
	return t[:min(len(t), 128)]
}

// entry is where one image's results of one branch are.
func (c Cache) entry(image, branch string, write bool) client.CacheOptionsEntry {
	attrs := map[string]string{}
	for k, v := range c.Attrs {
		attrs[k] = v
	}
	switch c.Type {
	case "registry":
		attrs["ref"] = c.Prefix + "/" + image + ":" + tag(branch)
	case "gha":
		attrs["scope"] = strings.TrimPrefix(path.Join(c.Prefix, image, tag(branch)), "/")
		githubCache(attrs)
	case "local":
		dir := filepath.Join(c.Prefix, filepath.FromSlash(image))
		attrs["tag"] = tag(branch)
		attrs[map[bool]string{true: "dest", false: "src"}[write]] = dir
	}
	if write {
		// Results of every step, so that a change late in the Dockerfile finds the early steps. A cache that can't be
		// written never fails a build.
		attrs["mode"], attrs["compression"], attrs["ignore-error"] = "max", "zstd", "true"
		if c.Type != "gha" {
			attrs["oci-mediatypes"], attrs["image-manifest"] = "true", "true"
		}
	}
	return client.CacheOptionsEntry{Type: c.Type, Attrs: attrs}
}

// githubCache adds what the client has to say to reach GitHub's cache service; its runner sets these variables.
func githubCache(attrs map[string]string) {
	for key, variables := range map[string][]string{
		"url": {"ACTIONS_CACHE_URL"}, "url_v2": {"ACTIONS_RESULTS_URL"}, "token": {"ACTIONS_RUNTIME_TOKEN"},
	} {
		for _, v := range variables {
			if value := os.Getenv(v); value != "" && attrs[key] == "" {
				attrs[key] = value
			}
		}
	}
	if attrs["url_v2"] != "" && attrs["version"] == "" {
		attrs["version"] = "2"
	}
}

// imports lists where earlier results may be found: this branch's, the main branch's, then the Compose file's own.
// What the target needs is in its own cache too. With the other image's beside it, BuildKit found the needed steps in that one and then
// most often not the target's own steps.
func (t Target) imports(c Cache) []client.CacheOptionsEntry {
	var out []client.CacheOptionsEntry
	if c.Type != "" {
		out = append(out, c.entry(t.CacheImage, c.Branch, false))
		if c.Main != c.Branch {
			out = append(out, c.entry(t.CacheImage, c.Main, false))
		}
	}
	for _, from := range t.Build.CacheFrom {
		out = append(out, cacheEntry(from))
	}
	return out
}

// exports lists where results go.
func (t Target) exports(c Cache) []client.CacheOptionsEntry {
	var out []client.CacheOptionsEntry
	if !c.Write {
		return nil
	}
	if c.Type != "" {
		out = append(out, c.entry(t.CacheImage, c.Branch, true))
	}
	for _, to := range t.Build.CacheTo {
		entry := cacheEntry(to)
		if entry.Type == inlineCache {
			continue
		}
		if entry.Attrs["ignore-error"] == "" {
			entry.Attrs["ignore-error"] = "true"
		}
		out = append(out, entry)
	}
	return out
}

// inlineCache is the type of a cache that is in the image itself: only a solve that makes the image can write it.
const inlineCache = "inline"

// inline is the cache that goes into the image, where the Compose file wants one.
func (t Target) inline() []client.CacheOptionsEntry {
	wanted := slices.ContainsFunc(t.Build.CacheTo, func(to string) bool { return cacheEntry(to).Type == inlineCache })
	if v := t.Build.Args["BUILDKIT_INLINE_CACHE"]; v != nil && !wanted {
		wanted, _ = strconv.ParseBool(*v)
	}
	if !wanted {
		return nil
	}
	return []client.CacheOptionsEntry{{Type: inlineCache, Attrs: map[string]string{}}}
}

// cacheEntry reads "type=registry,ref=host/name" or a bare reference, as Compose has them: fields of a CSV line.
func cacheEntry(s string) client.CacheOptionsEntry {
	if !strings.Contains(s, "=") {
		return client.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{"ref": s}}
	}
	entry := client.CacheOptionsEntry{Attrs: map[string]string{}}
	fields, err := csvvalue.Fields(s, nil)
	if err != nil {
		fields = strings.Split(s, ",")
	}
	for _, field := range fields {
		key, value, _ := strings.Cut(field, "=")
		if key = strings.ToLower(strings.TrimSpace(key)); key == "type" {
			entry.Type = value
		} else {
			entry.Attrs[key] = value
		}
	}
	if entry.Type == "gha" {
		githubCache(entry.Attrs)
	}
	return entry
}

// place names the cache entry for a person.
func place(e client.CacheOptionsEntry) string {
	for _, key := range []string{"ref", "dest", "src", "scope"} {
		if v := e.Attrs[key]; v != "" {
			return v
		}
	}
	return fmt.Sprintf("type=%s", e.Type)
}

// reach asks whether the cache's registry answers at all, so that one which is silent is left out: a builder waits for it
// without end (BuildKit sets no time limit, and other solves of the same steps wait with it). It is asked from here, which
// says nothing about a builder elsewhere; certificates and credentials are the builder's to judge.
func (c Cache) reach(ctx context.Context) error {
	if c.Type != "registry" {
		return nil
	}
	if c.Local != nil {
		return c.Local.Answers(ctx)
	}
	host, _, _ := strings.Cut(c.Prefix, "/")
	scheme := "https"
	if name, _, err := net.SplitHostPort(host); err == nil && (name == "localhost" || net.ParseIP(name).IsLoopback()) {
		scheme = "http" // as BuildKit and the engine do
	}
	ctx, cancel := context.WithTimeout(ctx, cacheWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+host+"/v2/", nil)
	if err != nil {
		return err
	}
	asked := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }} // that it answers is enough
	response, err := asked.Do(request)
	if err == nil {
		return response.Body.Close()
	}
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w within %s", errCacheSilent, cacheWithin)
	case errors.As(err, &certificate), errors.Is(err, http.ErrSchemeMismatch): // plain HTTP, which the builder may be allowed
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("connection refused")
	case errors.As(err, &name):
		return name
	}
	return fmt.Errorf("it is no registry: %w", err)
}

// reachable is reach, asked once a run; the first that hears of a failure says so.
func (r *run) reachable(ctx context.Context, m *member) bool {
	if r.Cache.Type == "registry" && r.probe.Silent(r.Cache.Prefix+"/x") {
		return false
	}
	return m.Remote || r.asked(ctx) == nil
}

// importable leaves out of t's imports what would hold the builder: caches in a registry that does not answer, or not to the end. The
// registry that setup made is not asked: reach knows it by its key.
func (r *run) importable(ctx context.Context, t Target, m *member) []client.CacheOptionsEntry {
	imports := t.imports(r.Cache)
	if len(imports) > 0 && !r.reachable(ctx, m) {
		imports = t.imports(Cache{}) // the Compose file's own
	}
	var refs []string
	for _, e := range imports {
		if ref := e.Attrs["ref"]; e.Type == "registry" && (r.Cache.Local == nil || !strings.HasPrefix(ref, r.Cache.Prefix+"/")) {
			refs = append(refs, ref)
		}
	}
	r.probe.Ask(ctx, m.Client, refs)
	return slices.DeleteFunc(imports, r.silent)
}

// exportable leaves out of t's exports those to a registry that did not answer.
func (r *run) exportable(ctx context.Context, t Target, m *member) []client.CacheOptionsEntry {
	exports := t.exports(r.Cache)
	if len(exports) > 0 && !r.reachable(ctx, m) {
		exports = t.exports(Cache{Write: true})
	}
	return slices.DeleteFunc(exports, r.silent)
}

func (r *run) silent(e client.CacheOptionsEntry) bool {
	return e.Type == "registry" && r.probe.Silent(e.Attrs["ref"])
}
