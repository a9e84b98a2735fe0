//go:build integration && linux

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// The stack that the workflow's steps build here: small, for the six services would take half an hour.
const (
	workflowCompose = `name: NAME
services:
  one: {image: "${IMAGE_PREFIX:-NAME}/one:latest", build: {context: one}}
  two: {image: "${IMAGE_PREFIX:-NAME}/two:latest", build: {context: two}}
`
	workflowDockerfile = "FROM debian:bookworm-slim\nRUN echo NAME/SERVICE >/slow\nCOPY file /file\nRUN cat /file " +
		"/slow >/both\n"
	workflowMagefile = "//go:build mage\n\npackage main\n\nimport (\n\t//mage:import\n\t_ " +
		"\"github.com/25eloquence/compose-mage/magefiles/targets\"\n)\n"
)

// ci is one run of this test: a project, a repository on a GHCR of its own, and what all runs of the workflow share.
type ci struct {
	t        *testing.T
	workflow workflow
	name     string // of the Compose project
	registry string
	checkout string // of this module
	mage     string // Mage's cache
}

func newCI(t *testing.T) *ci {
	t.Helper()
	root := filepath.Join("..", "..")
	c := &ci{
		t: t, name: fmt.Sprintf("wf-%d", time.Now().UnixNano()), registry: enginetest.Registry(t), mage: t.TempDir(),
		workflow: readWorkflow(t, filepath.Join(root, ".github", "workflows", "ci.yml")),
		checkout: cleanCheckout(t, root),
	}
	enginetest.Base(t)
	t.Cleanup(c.remove)
	return c
}

// cleanCheckout copies what Git would check out after a commit of everything: tracked and new files, as they are now.
func cleanCheckout(t *testing.T, root string) string {
	t.Helper()
	command := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	command.Dir = root
	list, err := command.Output()
	if err != nil {
		t.Fatalf("listing the repository's files: %v", err)
	}
	to := t.TempDir()
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted and not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		if !info.Mode().IsRegular() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// importer makes a fresh checkout of a repository that imports the targets of the clean checkout.
func (c *ci) importer() string {
	c.t.Helper()
	mod, err := os.ReadFile(filepath.Join(c.checkout, "go.mod"))
	if err != nil {
		c.t.Fatal(err)
	}
	sum, err := os.ReadFile(filepath.Join(c.checkout, "go.sum"))
	if err != nil {
		c.t.Fatal(err)
	}
	const module = "github.com/25eloquence/compose-mage"
	files := map[string]string{
		"go.mod": strings.Replace(string(mod), "module "+module, "module example.com/importer", 1) +
			"\nrequire " + module + " v0.0.0\nreplace " + module + " => " + c.checkout + "\n",
		"go.sum": string(sum), "magefiles/magefile.go": workflowMagefile, "compose.yaml": workflowCompose,
	}
	for _, service := range []string{"one", "two"} {
		files[service+"/Dockerfile"] = strings.ReplaceAll(workflowDockerfile, "SERVICE", service)
		files[service+"/file"] = "first\n"
	}
	dir := c.t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "NAME", c.name)), 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
	return dir
}

// situation is what GitHub says of the event that a workflow runs for.
type situation struct{ event, headRef, headRepository string }

// runner is a machine of GitHub's with a fresh checkout, and with a builder that holds nothing; hubs are registries
// that this one asks before Docker Hub.
func (c *ci) runner(s situation, hubs ...string) *runner {
	c.t.Helper()
	builder := enginetest.Builder(c.t, hubs...)
	repository := "Owner/" + strings.ToUpper(c.name) // in capitals, as many are
	ref := "main"
	if s.event == "pull_request" {
		ref = "7/merge"
	}
	_, port, err := net.SplitHostPort(c.registry)
	if err != nil {
		c.t.Fatal(err)
	}
	env := map[string]string{
		"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": repository, "GITHUB_ACTOR": "somebody",
		"GITHUB_EVENT_NAME": s.event,
		"GITHUB_REF_NAME":   ref, "GITHUB_HEAD_REF": s.headRef, "NO_COLOR": "1", "GOFLAGS": "-mod=mod",
		"MAGEFILE_CACHE": c.mage,
		"BUILDKIT_HOST":  builder.Address, "COMPOSE_MAGE_STATE": c.t.TempDir(), "COMPOSE_MAGE_REGISTRY_PORT": port,
		"DOCKER_CONFIG": c.t.TempDir(),
	}
	for _, name := range []string{
		"PATH", "HOME", "DOCKER_HOST", "GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOTOOLCHAIN", "GOSUMDB",
		"SSL_CERT_FILE",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
	} {
		if v, ok := os.LookupEnv(name); ok {
			env[name] = v
		}
	}
	if s.headRepository == "" {
		s.headRepository = repository
	}
	return &runner{
		t: c.t, dir: c.importer(), env: env,
		contexts: map[string]string{
			"github.event_name": s.event, "github.repository": repository, "secrets.GITHUB_TOKEN": "not-a-token",
			"github.event.pull_request.head.repo.full_name": s.headRepository,
		},
		instead: strings.NewReplacer("ghcr.io", c.registry, "go tool mage build", "go tool mage build -json"),
	}
}

// built is what `mage build -json` says.
type built struct {
	Images []struct {
		Service, Image, ID, State, Error string
		Steps, Cached, Built             int
		Warnings                         []string
	}
}

// build runs the job up to its build, on r, and reads what that says.
func (c *ci) build(r *runner, job string) built {
	c.t.Helper()
	began := time.Now()
	out, ok := r.job(c.workflow, job, "go tool mage build")
	if !ok {
		c.t.Fatalf("job %q does not run here", job)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var b built
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &b); err != nil || len(b.Images) != 2 {
		c.t.Fatalf("reading what the build says: %v\n%s\n%s", err, out, r.out.String())
	}
	for _, i := range b.Images {
		c.t.Logf("%s: %s %s, %d steps, %d cached, %d built, %s", job, i.Service, i.State, i.Steps, i.Cached, i.Built,
			time.Since(began).Round(100*time.Millisecond))
		// This machine's builder may have no emulator, which GitHub's gets from an action.
		warnings := slices.DeleteFunc(i.Warnings,
			func(w string) bool { return strings.HasPrefix(w, "not built for linux/arm64") })
		if i.Error != "" || len(warnings) > 0 || i.Steps == 0 {
			c.t.Errorf("%s: %+v\n%s", job, i, r.out.String())
		}
	}
	return b
}

// references lists what the registry holds for this run's repository: "name:tag digest".
func (c *ci) references() []string {
	c.t.Helper()
	var catalog struct{ Repositories []string }
	c.ask("/v2/_catalog?n=1000&last=owner/"+c.name, &catalog) // sorted, and so from ours on
	var out []string
	for _, name := range catalog.Repositories {
		if !strings.HasPrefix(name, "owner/"+c.name) {
			continue
		}
		var list struct{ Tags []string }
		c.ask("/v2/"+name+"/tags/list", &list)
		for _, tag := range list.Tags {
			out = append(out, name+":"+tag+" "+c.digest(name, tag))
		}
	}
	slices.Sort(out)
	return out
}

// manifestTypes are what BuildKit writes.
const manifestTypes = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, " +
	"application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"

func (c *ci) ask(path string, into any) {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+c.registry+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if strings.Contains(path, "/manifests/") {
		req.Header.Set("Accept", manifestTypes)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		c.t.Fatalf("%s: %v: %s", path, err, data)
	}
}

func (c *ci) digest(name, tag string) string {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodHead, "http://"+c.registry+"/v2/"+name+"/manifests/"+tag, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Accept", manifestTypes)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.Header.Get("Docker-Content-Digest")
}

// remove leaves engine and registry as they were, but for names in the registry's catalogue.
func (c *ci) remove() {
	for _, reference := range c.references() {
		name, rest, _ := strings.Cut(reference, ":")
		_, digest, _ := strings.Cut(rest, " ")
		req, err := http.NewRequest(http.MethodDelete, "http://"+c.registry+"/v2/"+name+"/manifests/"+digest, nil)
		if err != nil {
			c.t.Error(err)
			continue
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close() // a registry that deletes nothing keeps it
		}
	}
	e := enginetest.Connect(c.t)
	mine := client.Filters{}.Add("label", "com.docker.compose.project="+c.name)
	images, err := e.ImageList(context.Background(), client.ImageListOptions{All: true, Filters: mine})
	if err != nil {
		c.t.Errorf("removing the images: %v", err)
		return
	}
	for _, i := range images.Items {
		_, _ = e.ImageRemove(context.Background(), i.ID, client.ImageRemoveOptions{Force: true})
	}
}

// The steps up to the build of the push job, twice, then of the test job, each time on a fresh checkout and with a
// fresh builder, as GitHub's machines are: the test job reads the cache that main's push job has written, and writes
// nothing, whoever asks.
func TestIntegrationWorkflow(t *testing.T) {
	c := newCI(t)
	first := c.runner(situation{event: "push"}, c.scannerHub())
	made := c.build(first, "push")
	platforms := c.pushed(made)
	for _, i := range made.Images {
		if i.Cached != 0 || i.Built == 0 {
			t.Errorf("first run of main: %s had %d of %d steps in the cache and built %d", i.Service, i.Cached, i.Steps,
				i.Built)
		}
	}
	if !slices.ContainsFunc(first.ran,
		func(line string) bool { return strings.Contains(line, "docker login "+c.registry) }) {
		t.Errorf("nobody logged in: %q", first.ran)
	}
	main := c.references()
	if len(main) == 0 {
		t.Fatal("the first run wrote no cache")
	}
	for _, i := range c.build(c.runner(situation{event: "push"}, c.scannerHub()), "push").Images {
		// The scans are steps too, and are made anew each time.
		if i.Cached != 3*platforms[i.Service] || i.State != "pushed" {
			t.Errorf("second push: %s is %s and had %d steps in the cache, not the Dockerfile's 3 for each of %d "+
				"platforms", i.Service, i.State, i.Cached, platforms[i.Service])
		}
	}
	main = c.references() // with the attestations of the second push
	for _, i := range c.build(c.runner(situation{event: "push"}), "test").Images {
		if i.Cached != i.Steps || i.Built != 0 {
			t.Errorf("the tests of main: %s had %d of %d steps in the cache and built %d", i.Service, i.Cached, i.Steps,
				i.Built)
		}
	}
	fork := c.runner(situation{event: "pull_request", headRef: "topic/one", headRepository: "Stranger/Fork"})
	change(t, fork.dir)
	c.oneChanged("a fork's pull request", c.build(fork, "test"))
	own := c.runner(situation{event: "pull_request", headRef: "topic/one"})
	change(t, own.dir)
	c.oneChanged("a branch's pull request", c.build(own, "test"))
	if after := c.references(); !slices.Equal(after, main) {
		t.Errorf("a job of tests wrote:\n%s\nbefore:\n%s", strings.Join(after, "\n"), strings.Join(main, "\n"))
	}
}

// change changes a file that the last two steps of one image read.
func change(t *testing.T, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "one", "file"), []byte("second\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (c *ci) oneChanged(who string, b built) {
	c.t.Helper()
	for _, i := range b.Images {
		switch {
		case i.Service == "one" && (i.Built != 2 || i.Cached != i.Steps-2):
			c.t.Errorf("%s: one had %d of %d steps in main's cache and built %d, not 2", who, i.Cached, i.Steps,
				i.Built)
		case i.Service == "two" && (i.Built != 0 || i.Cached != i.Steps):
			c.t.Errorf("%s: two had %d of %d steps in main's cache and built %d", who, i.Cached, i.Steps, i.Built)
		}
	}
}

// What the workflow may do is the least that each job needs, no code of a pull request gets a token that can write,
// and no job runs for ever.
func TestIntegrationWorkflowJobsAreBounded(t *testing.T) {
	w := readWorkflow(t, filepath.Join("..", "..", ".github", "workflows", "ci.yml"))
	fork := &runner{t: t, contexts: map[string]string{"github.event_name": "pull_request"}, env: map[string]string{}}
	for name, job := range w.Jobs {
		forPullRequests := job.If == "" || fork.evaluate(job.If, nil) == "true"
		if job.Permissions == nil || job.Timeout == 0 {
			t.Errorf("%s: permissions %v, %d minutes", name, job.Permissions, job.Timeout)
		}
		for what, may := range job.Permissions {
			if may != "read" && (forPullRequests || what != "packages") {
				t.Errorf("%s may %s %s", name, may, what)
			}
		}
	}
	if !slices.Contains(w.Jobs["push"].Needs, "test") || !slices.Contains(w.Jobs["push"].Needs, "lint") {
		t.Errorf("push needs %v", w.Jobs["push"].Needs)
	}
	if out, ran := fork.job(w, "push", "go tool mage build"); ran {
		t.Errorf("a pull request pushes: %s", out)
	}
}

var (
	byCommit = regexp.MustCompile(`^\s*(?:- )?uses: \S+@[0-9a-f]{40} # v\d+(\.\d+)*$`)
	byDigest = regexp.MustCompile(`^\s*(?:- )?(?:image|container): \S+@sha256:[0-9a-f]{64}$`)
	outside  = regexp.MustCompile(`^\s*(?:- )?(?:uses|image|container):`)
)

// What a workflow takes from others is named by what nobody can move to something else.
func TestIntegrationWorkflowsArePinned(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", ".github", "workflows", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for number, line := range strings.Split(string(data), "\n") {
			if outside.MatchString(line) && !byCommit.MatchString(line) && !byDigest.MatchString(line) {
				t.Errorf("%s:%d: not by commit or digest: %s", file, number+1, strings.TrimSpace(line))
			}
		}
	}
}
