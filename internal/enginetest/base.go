package enginetest

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/staticfs"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/25eloquence/compose-mage/internal/verify"
)

// Registry is the local registry in TEST_REGISTRY, host:port. The test fails where there is none.
func Registry(t testing.TB) string {
	t.Helper()
	registry := os.Getenv(verify.RegistryVariable)
	if registry == "" || strings.Contains(registry, "/") {
		t.Fatalf("integration tests need a registry, host:port, in %s, not %q", verify.RegistryVariable, registry)
	}
	return registry
}

// Base gives the reference of debian:bookworm-slim in the local registry. Where setup had no need to push it there, for
// Docker Hub can be reached, the builder in TEST_BUILDER copies it.
func Base(t testing.TB) string {
	t.Helper()
	registry := Registry(t)
	ref := registry + "/library/debian:bookworm-slim"
	if baseDigest(t, registry) != "" {
		return ref
	}
	c, err := client.New(t.Context(), os.Getenv(verify.BuilderVariable))
	if err != nil {
		t.Fatalf("integration tests need a builder in %s: %v", verify.BuilderVariable, err)
	}
	defer c.Close()
	const dockerfile = "FROM debian:bookworm-slim\n"
	context := staticfs.NewFS()
	context.Add("Dockerfile", &fstypes.Stat{Mode: 0o644, Size: int64(len(dockerfile))}, []byte(dockerfile))
	_, err = c.Solve(t.Context(), nil, client.SolveOpt{
		Frontend: "dockerfile.v0", LocalMounts: map[string]fsutil.FS{"context": context, "dockerfile": context},
		Exports: []client.ExportEntry{{
			Type:  client.ExporterImage,
			Attrs: map[string]string{"name": ref, "push": "true", "registry.insecure": "true"},
		}},
	}, nil)
	if err != nil {
		t.Fatalf("copying debian:bookworm-slim to %s: %v", registry, err)
	}
	return ref
}

// BaseDigest is the digest of Base.
func BaseDigest(t testing.TB) digest.Digest {
	t.Helper()
	Base(t)
	return baseDigest(t, Registry(t))
}

// baseDigest is the digest of debian:bookworm-slim in the registry; "" where that lacks it.
func baseDigest(t testing.TB, registry string) digest.Digest {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead,
		"http://"+registry+"/v2/library/debian/manifests/bookworm-slim", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "+
		"application/vnd.docker.distribution.manifest.list.v2+json, "+
		"application/vnd.docker.distribution.manifest.v2+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("asking the registry for a base: %v", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return ""
	}
	return digest.Digest(resp.Header.Get("Docker-Content-Digest"))
}
