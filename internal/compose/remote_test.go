package compose

import (
	"context"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A Git repository that is really a folder here: the address is rewritten by Git's own configuration.
func TestGitIncludeIsLoaded(t *testing.T) {
	repository := t.TempDir()
	if err := os.WriteFile(filepath.Join(repository, "compose.yaml"), []byte(one("far")), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"init", "-q"},
		{"add", "."},
		{"-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "one"},
	} {
		if out, err := exec.Command("git",
			append([]string{"-C", repository}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	dir := write(t, "compose.yaml", "include: [\"https://git.invalid/x.git\"]\nservices: {near: {image: i}}\n")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "url.file://"+filepath.ToSlash(repository)+".insteadOf")
	t.Setenv("GIT_CONFIG_VALUE_0", "https://git.invalid/x.git")
	m, err := Load(context.Background(), Request{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(m.Project.ServiceNames(), " "); got != "far near" {
		t.Errorf("got %q", got)
	}
}

// artifact serves a Compose file as docker compose publishes it, under any name.
func artifact(t *testing.T, yaml string) *httptest.Server {
	t.Helper()
	digest := func(s string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s))) }
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
"artifactType":"application/vnd.docker.compose.project",
"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"%s","size":2},
"layers":[{"mediaType":"application/vnd.docker.compose.file+yaml","digest":"%s","size":%d,
"annotations":{"com.docker.compose.file":"compose.yaml"}}]}`, digest("{}"), digest(yaml), len(yaml))
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := manifest
		switch {
		case strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			w.Header().Set("Docker-Content-Digest", digest(manifest))
		case strings.HasSuffix(r.URL.Path, digest(yaml)):
			body = yaml
		default:
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		if r.Method != http.MethodHead {
			fmt.Fprint(w, body)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// loadsHere has this test binary load a stack and do nothing else: a process reads its certificates once.
const loadsHere = "TEST_LOADS_HERE"

func TestOCIIncludeIsLoaded(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	if dir := os.Getenv(loadsHere); dir != "" {
		m, err := Load(context.Background(), Request{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("services:", strings.Join(m.Project.ServiceNames(), " "))
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("SSL_CERT_FILE is read on Linux only")
	}
	server := artifact(t, one("far"))
	dir := write(t, "compose.yaml", "include: [\"oci://"+server.Listener.Addr().String()+
		"/fx/app:1\"]\nservices: {near: {image: i}}\n")
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(trusted, block, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestOCIIncludeIsLoaded$")
	cmd.Env = append(os.Environ(), loadsHere+"="+dir, "SSL_CERT_FILE="+trusted, "XDG_CACHE_HOME="+t.TempDir(),
		"DOCKER_CONFIG="+t.TempDir(),
		"DOCKER_CONTEXT=nowhere") // setup loads the stack where no engine can be found yet
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "services: far near\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
