package buildcache

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/client"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/registry"
)

func TestParseCache(t *testing.T) {
	for value, want := range map[string]string{
		"":                             "",
		"none":                         "",
		"127.0.0.1:5000":               "registry 127.0.0.1:5000/p/s:cache-feature-x",
		"ghcr.io/org/repo/":            "registry ghcr.io/org/repo/p/s:cache-feature-x",
		"type=registry,ref=ghcr.io/o":  "registry ghcr.io/o/p/s:cache-feature-x",
		"type=gha":                     "gha p/s/cache-feature-x",
		"type=gha,scope=ci":            "gha ci/p/s/cache-feature-x",
		"type=local,dest=/var/cache/b": "local /var/cache/b/p/s",
	} {
		c, err := Parse(value)
		if err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		c.Branch = "feature/x"
		var got string
		for _, e := range c.Exports("p/s", nil) {
			got = e.Type + " " + Place(e)
			if e.Attrs["mode"] != "max" || e.Attrs["ignore-error"] != "true" || e.Attrs["compression"] != "zstd" {
				t.Errorf("%q: exported as %v", value, e.Attrs)
			}
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
	if _, err := Parse("type=s3,bucket=x"); err == nil || !strings.Contains(err.Error(), `type "s3" is not known`) {
		t.Errorf("an unknown type: %v", err)
	}
	for _, bad := range []string{"type=s3,bucket=x", "type=local", "type=registry", "=", "type="} {
		_, err := Parse(bad)
		var typed *fault.Error
		if !errors.As(err, &typed) || typed.Code != fault.Usage {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestImportsFallBackToMain(t *testing.T) {
	c, err := Parse("reg:5000")
	if err != nil {
		t.Fatal(err)
	}
	places := func() string {
		var out []string
		for _, e := range c.Imports("p/s", []string{"example/own:cache"}) {
			out = append(out, Place(e))
		}
		return strings.Join(out, " ")
	}
	if got := places(); got != "reg:5000/p/s:cache-main example/own:cache" {
		t.Errorf("on main: %s", got)
	}
	c.Branch = "topic"
	if got := places(); got != "reg:5000/p/s:cache-topic reg:5000/p/s:cache-main example/own:cache" {
		t.Errorf("on a branch: %s", got)
	}
	if c.Write = false; len(c.Exports("p/s", nil)) != 0 {
		t.Error("a cache that is only read is written")
	}
}

func TestOwnCachesAreWritten(t *testing.T) {
	to := []string{"type=inline", `type=registry,"ref=own/cache"`}
	for value, want := range map[string]int{"none": 1, "": 1, "reg:5000": 2} {
		c, err := Parse(value)
		if err != nil {
			t.Fatal(err)
		}
		got := c.Exports("p/s", to)
		if len(got) != want || got[len(got)-1].Attrs["ref"] != "own/cache" {
			t.Errorf("%q: %v", value, got)
		}
		if c.Write = false; len(c.Exports("p/s", to)) != 0 {
			t.Errorf("%q: written all the same", value)
		}
	}
	if in := Inline(to, nil); len(in) != 1 || in[0].Type != "inline" {
		t.Errorf("inline: %v", in)
	}
	yes := "1"
	if len(Inline(nil, types.MappingWithEquals{"BUILDKIT_INLINE_CACHE": &yes})) != 1 || len(Inline(nil, nil)) != 0 {
		t.Error("an inline cache by argument, or none")
	}
}

func TestTagFitsARegistry(t *testing.T) {
	for branch, want := range map[string]string{
		"main": "cache-main", "feature/Ünïcode #1": "cache-feature-n-code-1", strings.Repeat("x", 200): "cache-" +
			strings.Repeat("x", 122),
	} {
		if got := tag(branch); got != want {
			t.Errorf("%q: %q", branch, got)
		}
	}
}

func TestBranch(t *testing.T) {
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root := t.TempDir()
	repo, tree := filepath.Join(root, "repo"), filepath.Join(root, "tree")
	write(filepath.Join(repo, ".git", "HEAD"), "ref: refs/heads/feature/x\n")
	write(filepath.Join(repo, "deep", "er", "file"), "")
	write(filepath.Join(repo, ".git", "worktrees", "tree", "HEAD"), "ref: refs/heads/other\n")
	write(filepath.Join(tree, ".git"), "gitdir: ../repo/.git/worktrees/tree\n")
	detached := filepath.Join(root, "detached")
	write(filepath.Join(detached, ".git", "HEAD"), "0123456789012345678901234567890123456789\n")
	env := map[string]string{}
	lookup := func(k string) (string, bool) { v, ok := env[k]; return v, ok }
	for dir, want := range map[string]string{
		repo: "feature/x", filepath.Join(repo, "deep", "er"): "feature/x",
		tree: "other", detached: "", root: "",
	} {
		if got := Branch(dir, lookup); got != want {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
	env["GITHUB_REF_NAME"] = "12/merge"
	if got := Branch(repo, lookup); got != "12/merge" {
		t.Errorf("a push: %q", got)
	}
	if env["GITHUB_HEAD_REF"] = "topic"; Branch(repo, lookup) != "topic" {
		t.Error("a pull request's branch is not GITHUB_HEAD_REF")
	}
}

func TestAnswers(t *testing.T) {
	// The registry that setup started answers for itself: another on its port is asked nothing.
	asked := 0
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer stranger.Close()
	address := strings.TrimPrefix(stranger.URL, "http://")
	dir := t.TempDir()
	if _, err := registry.IdentityIn(dir).Ensure(); err != nil {
		t.Fatal(err)
	}
	if err := (Cache{
		Type: "registry", Prefix: address,
		Local: registry.Open(dir, address),
	}).Answers(t.Context()); !registry.IsOtherServer(err) || asked > 0 {
		t.Errorf("a stranger on the local registry's port: %v, asked %d times", err, asked)
	}
	if err := (Cache{Type: "gha"}).Answers(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCacheEntries(t *testing.T) {
	e := parseEntry("type=gha,scope=main")
	if e.Type != "gha" || e.Attrs["scope"] != "main" {
		t.Errorf("got %+v", e)
	}
	if e = parseEntry("ghcr.io/org/app:cache"); e.Type != "registry" || e.Attrs["ref"] != "ghcr.io/org/app:cache" {
		t.Errorf("got %+v", e)
	}
}

func attributes(e map[string]string) string {
	var out []string
	for k, v := range e {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestEntriesOfEachType(t *testing.T) {
	for _, v := range []string{"ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL", "ACTIONS_RUNTIME_TOKEN"} {
		t.Setenv(v, "")
	}
	for _, c := range []struct {
		value       string
		read, write string
	}{
		{
			"reg", "ref=reg/p/s:cache-b",
			"compression=zstd ignore-error=true image-manifest=true mode=max oci-mediatypes=true ref=reg/p/s:cache-b",
		},
		{
			"type=gha,scope=ci,url=x", "scope=ci/p/s/cache-b url=x",
			"compression=zstd ignore-error=true mode=max scope=ci/p/s/cache-b url=x",
		},
		{
			"type=local,dest=/c", "src=/c/p/s tag=cache-b",
			"compression=zstd dest=/c/p/s ignore-error=true image-manifest=true mode=max oci-mediatypes=true " +
				"tag=cache-b",
		},
	} {
		cache, err := Parse(c.value)
		if err != nil {
			t.Fatal(err)
		}
		if got := attributes(cache.entry("p/s", "b", false).Attrs); got != c.read {
			t.Errorf("%s is read as %s", c.value, got)
		}
		if got := attributes(cache.entry("p/s", "b", true).Attrs); got != c.write {
			t.Errorf("%s is written as %s", c.value, got)
		}
		if len(cache.Attrs) > 1 {
			t.Errorf("%s: the entries' attributes are in the cache: %v", c.value, cache.Attrs)
		}
	}
}

func TestWhatGitHubsRunnerSays(t *testing.T) {
	t.Setenv("ACTIONS_CACHE_URL", "one")
	t.Setenv("ACTIONS_RESULTS_URL", "two")
	t.Setenv("ACTIONS_RUNTIME_TOKEN", "")
	if got := attributes(parseEntry("type=gha,scope=x,url=own").Attrs); got != "scope=x url=own url_v2=two version=2" {
		t.Errorf("got %s", got)
	}
	if got := attributes(parseEntry("type=gha,version=1").Attrs); got != "url=one url_v2=two version=1" {
		t.Errorf("got %s", got)
	}
	if got := attributes(parseEntry("type=registry,ref=x").Attrs); got != "ref=x" {
		t.Errorf("a registry's: %s", got)
	}
	t.Setenv("ACTIONS_RESULTS_URL", "")
	if got := attributes(parseEntry("type=gha").Attrs); got != "url=one" {
		t.Errorf("of the first version: %s", got)
	}
}

func TestCachesOfABuildSectionAlone(t *testing.T) {
	none := Cache{Write: true}
	if got := none.Imports("p/s", []string{"own"}); len(got) != 1 || Place(got[0]) != "own" {
		t.Errorf("read: %v", got)
	}
	if got := none.Imports("p/s", nil); len(got) != 0 {
		t.Errorf("read: %v", got)
	}
	got := none.Exports("p/s", []string{"a", "type=registry,ref=b,ignore-error=false", "type=inline"})
	if len(got) != 2 || got[0].Attrs["ignore-error"] != "true" || got[1].Attrs["ignore-error"] != "false" {
		t.Errorf("written: %v", got)
	}
	if got := Place(parseEntry("type=s3,bucket=x")); got != "type=s3" {
		t.Errorf("a place: %s", got)
	}
	if got := Place(client.CacheOptionsEntry{Attrs: map[string]string{"scope": "s", "dest": "d"}}); got != "d" {
		t.Errorf("a place: %s", got)
	}
	no := "no"
	if got := Inline([]string{"type=registry,ref=a"},
		types.MappingWithEquals{"BUILDKIT_INLINE_CACHE": &no}); len(got) != 0 {
		t.Errorf("an inline cache that nobody wants: %v", got)
	}
	if got := Inline([]string{"type=inline"}, types.MappingWithEquals{"BUILDKIT_INLINE_CACHE": &no}); len(got) != 1 {
		t.Errorf("an inline cache: %v", got)
	}
	if got := Inline(nil, types.MappingWithEquals{"BUILDKIT_INLINE_CACHE": nil}); len(got) != 0 {
		t.Errorf("an argument without a value: %v", got)
	}
}

func TestBranchOfAWorktreeElsewhere(t *testing.T) {
	root := t.TempDir()
	git := filepath.Join(root, "git")
	for path, text := range map[string]string{
		filepath.Join(git, "HEAD"):          "ref: refs/heads/b\n",
		filepath.Join(root, "tree", ".git"): "gitdir: " + git + "\n",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := Branch(filepath.Join(root, "tree"), func(string) (string, bool) { return "", false }); got != "b" {
		t.Errorf("got %q", got)
	}
}
