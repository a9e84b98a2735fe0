// Package buildcache owns where the results of builds are kept between runs and machines (CACHE_REGISTRY, and what a
// build section says itself), as BuildKit is told of it. BuildKit alone reads and writes what is there.
package buildcache

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/registry"
)

// Cache says where results of builds are kept between runs and machines. The zero Cache keeps none.
type Cache struct {
	Type   string            // "registry", "gha", "local"; "" for none
	Prefix string            // of the reference in a registry, the directory of a local cache, the scope of a gha one
	Attrs  map[string]string // further attributes for BuildKit, such as gha's url
	Branch string            // results are written under this name …
	Main   string            // … and read from it and, after it, from this one
	Write  bool
	// Local is the registry that setup started, where the cache is in that registry; nil for another. Whoever else
	// listens on its port must not pass for it.
	Local interface{ Answers(context.Context) error }
}

// Parse reads the value of CACHE_REGISTRY: "host:port" or "host/path" (a registry), "type=gha[,scope=…]",
// "type=local,dest=DIR", "type=registry,ref=host/path"; "none" or "" for no cache. Errors are of code Usage.
func Parse(value string) (Cache, error) {
	c := Cache{Main: "main", Branch: "main", Write: true, Attrs: map[string]string{}}
	switch {
	case value == "" || value == "none":
		return Cache{Write: true}, nil // where the Compose file says
	case !strings.Contains(value, "="):
		c.Type, c.Prefix = "registry", strings.TrimSuffix(value, "/")
		return c, nil
	}
	entry := parseEntry(value)
	c.Type, c.Attrs = entry.Type, entry.Attrs
	key := map[string]string{"registry": "ref", "local": "dest", "gha": "scope"}[c.Type]
	if key == "" {
		return Cache{},
			fault.New(fault.Usage, "CACHE_REGISTRY=none for a build without it",
				"cache %q: type %q is not known; use a registry's host/path, type=registry, type=gha or type=local",
				value, c.Type)
	}
	c.Prefix = strings.TrimSuffix(c.Attrs[key], "/")
	delete(c.Attrs, key)
	if c.Prefix == "" && c.Type != "gha" {
		return Cache{},
			fault.New(fault.Usage, "CACHE_REGISTRY=none for a build without it", "cache %q: %s= is missing", value, key)
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

// githubCache adds the attributes that BuildKit's client needs to reach GitHub's cache service, from the variables
// that GitHub's runner sets.
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

// Imports lists where earlier results of an image may be found: this branch's, the main branch's, then those that the
// build section names (cache_from). The steps of another image that this one needs are in its own cache too. With the
// other image's cache beside it, BuildKit found the needed steps in that one and then most often not the image's own
// steps.
func (c Cache) Imports(image string, from []string) []client.CacheOptionsEntry {
	var out []client.CacheOptionsEntry
	if c.Type != "" {
		out = append(out, c.entry(image, c.Branch, false))
		if c.Main != c.Branch {
			out = append(out, c.entry(image, c.Main, false))
		}
	}
	for _, own := range from {
		out = append(out, parseEntry(own))
	}
	return out
}

// Exports lists where an image's results go: to this branch's cache, and to those that the build section names
// (cache_to) but for an inline one.
func (c Cache) Exports(image string, to []string) []client.CacheOptionsEntry {
	var out []client.CacheOptionsEntry
	if !c.Write {
		return nil
	}
	if c.Type != "" {
		out = append(out, c.entry(image, c.Branch, true))
	}
	for _, own := range to {
		entry := parseEntry(own)
		if entry.Type == InlineType {
			continue
		}
		if entry.Attrs["ignore-error"] == "" {
			entry.Attrs["ignore-error"] = "true"
		}
		out = append(out, entry)
	}
	return out
}

// InlineType is the type of a cache that is in the image itself: only a solve that makes the image can write it.
const InlineType = "inline"

// Inline is the cache that goes into the image itself, where the build section wants one by cache_to or by its build
// argument.
func Inline(to []string, args types.MappingWithEquals) []client.CacheOptionsEntry {
	wanted := slices.ContainsFunc(to, func(own string) bool { return parseEntry(own).Type == InlineType })
	if v := args["BUILDKIT_INLINE_CACHE"]; v != nil && !wanted {
		wanted, _ = strconv.ParseBool(*v)
	}
	if !wanted {
		return nil
	}
	return []client.CacheOptionsEntry{{Type: InlineType, Attrs: map[string]string{}}}
}

// parseEntry reads "type=registry,ref=host/name" or a bare reference, as Compose has them: fields of a CSV line.
func parseEntry(s string) client.CacheOptionsEntry {
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

// Answers asks whether the cache's registry answers at all, so that one which is silent is left out: a builder waits
// for a silent registry without end (BuildKit sets no time limit, and other solves of the same steps wait with it).
func (c Cache) Answers(ctx context.Context) error {
	switch {
	case c.Type != "registry":
		return nil
	case c.Local != nil:
		return c.Local.Answers(ctx)
	}
	return registry.Answers(ctx, c.Prefix)
}

// Place names the cache entry for a person: its reference, directory or scope.
func Place(e client.CacheOptionsEntry) string {
	for _, key := range []string{"ref", "dest", "src", "scope"} {
		if v := e.Attrs[key]; v != "" {
			return v
		}
	}
	return fmt.Sprintf("type=%s", e.Type)
}
