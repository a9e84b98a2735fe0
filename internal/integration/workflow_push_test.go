//go:build integration && linux

package integration

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/staticfs"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/25eloquence/compose-mage/internal/verify"
)

// scannerName is the image that BuildKit makes SBOMs with, in Docker Hub.
const scannerName = "/v2/docker/buildkit-syft-scanner/"

// scanner is a stand-in for it, which need not be downloaded and finds the same every time. What a scanner has to do:
// BuildKit, docs/attestations/sbom-protocol.md.
const (
	scannerDockerfile = "FROM debian:bookworm-slim\nCOPY --chmod=755 scan /\nENTRYPOINT [\"/scan\"]\n"
	scannerScript     = `#!/bin/sh
[ -d "$BUILDKIT_SCAN_SOURCE" ] || exit 1
echo '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":{"spdxVersion":"SPDX-2.3","name":"stand-in"}}' \
  >"$BUILDKIT_SCAN_DESTINATION/stand-in.spdx.json"
`
)

// scannerHub pushes the stand-in to the local registry and gives the address of a mirror of Docker Hub that has nothing
// but it.
func (c *ci) scannerHub() string {
	c.t.Helper()
	builder, err := client.New(c.t.Context(), os.Getenv(verify.BuilderVariable))
	if err != nil {
		c.t.Fatalf("integration tests need a builder in %s: %v", verify.BuilderVariable, err)
	}
	defer builder.Close()
	files := staticfs.NewFS()
	for name, text := range map[string]string{"Dockerfile": scannerDockerfile, "scan": scannerScript} {
		files.Add(name, &fstypes.Stat{Mode: 0o644, Size: int64(len(text))}, []byte(text))
	}
	repository := "owner/" + c.name + "/scanner"
	_, err = builder.Solve(c.t.Context(), nil, client.SolveOpt{
		Frontend: "dockerfile.v0", LocalMounts: map[string]fsutil.FS{"context": files, "dockerfile": files},
		Exports: []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{
			"name": c.registry + "/" + repository + ":stable-1", "push": "true", "registry.insecure": "true",
		}}},
	}, nil)
	if err != nil {
		c.t.Fatalf("making the scanner: %v", err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: c.registry})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, scannerName)
		if !ok && r.URL.Path != "/v2/" {
			http.NotFound(w, r)
			return
		}
		if ok {
			r.URL.Path = "/v2/" + repository + "/" + rest
		}
		r.Host = c.registry
		proxy.ServeHTTP(w, r)
	}))
	c.t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// manifest is as much of an index or a manifest as tells attestations.
type manifest struct {
	Manifests []struct {
		Digest      string
		Platform    struct{ OS, Architecture string }
		Annotations map[string]string
	}
	Layers []struct {
		Digest      string
		Annotations map[string]string
	}
}

// pushed checks the images that a push job has made: under GHCR's names, each an index with the image and its
// attestations. It gives the number of platforms of each.
func (c *ci) pushed(b built) map[string]int {
	t := c.t
	t.Helper()
	platforms := map[string]int{}
	for _, i := range b.Images {
		name := "owner/" + c.name + "/" + i.Service
		if i.Image != c.registry+"/"+name+":latest" || i.State != "pushed" {
			t.Errorf("%s: %s as %s, want pushed as %s", i.Service, i.State, i.Image, c.registry+"/"+name+":latest")
		}
		var index manifest
		c.ask("/v2/"+name+"/manifests/latest", &index)
		predicates := map[string]bool{}
		for _, m := range index.Manifests {
			if m.Annotations["vnd.docker.reference.type"] != "attestation-manifest" {
				platforms[i.Service]++
				continue
			}
			var attestations manifest
			c.ask("/v2/"+name+"/manifests/"+m.Digest, &attestations)
			for _, l := range attestations.Layers {
				predicates[l.Annotations["in-toto.io/predicate-type"]] = true
			}
		}
		if platforms[i.Service] == 0 || !predicates["https://spdx.dev/Document"] {
			t.Errorf("%s: %d platforms, attestations %v", i.Service, platforms[i.Service], predicates)
		}
		provenance := false
		for p := range predicates {
			provenance = provenance || strings.HasPrefix(p, "https://slsa.dev/provenance/")
		}
		if !provenance {
			t.Errorf("%s: no provenance among %v", i.Service, predicates)
		}
	}
	return platforms
}
