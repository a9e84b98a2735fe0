package provision

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/stepnet"
)

// recipe is a Dockerfile that the builder builds and pushes to the local registry.
type recipe struct {
	builder  string // address
	dir      string // of the Dockerfile
	file     string
	image    string            // host:port/repository:tag
	contexts map[string]string // folders: "context" is the build context, others are named contexts
	args     map[string]string
	network  *stepnet.Network // of its steps; nil where they share the host's
}

// proxyVariables are the build arguments that BuildKit passes to steps without having them in the cache key.
var proxyVariables = []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}

func (r recipe) options() (client.SolveOpt, error) {
	o := client.SolveOpt{
		Frontend:      "dockerfile.v0",
		FrontendAttrs: map[string]string{"filename": r.file},
		LocalMounts:   map[string]fsutil.FS{},
		Exports: []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{
			"name": r.image, "push": "true",
		}}},
	}
	folders := map[string]string{"dockerfile": r.dir}
	for name, dir := range r.contexts {
		folders[name] = dir
		if name != "context" {
			o.FrontendAttrs["context:"+name] = "local:" + name
		}
	}
	for name, dir := range folders {
		tree, err := fsutil.NewFS(dir)
		if err != nil {
			return o, fmt.Errorf("opening the build context %q: %w", dir, err)
		}
		o.LocalMounts[name] = tree
	}
	for name, value := range r.args {
		o.FrontendAttrs["build-arg:"+name] = value
	}
	for _, name := range proxyVariables {
		for _, name := range []string{name, strings.ToLower(name)} {
			if value := os.Getenv(name); value != "" {
				if !strings.EqualFold(name, "NO_PROXY") {
					value, _ = r.network.Reachable(value)
				}
				o.FrontendAttrs["build-arg:"+name] = value
			}
		}
	}
	if path := SourceCA(); path != "" {
		ca, err := bounded.ReadFile(path)
		if err != nil {
			return o, fmt.Errorf("reading the CA bundle: %w", err)
		}
		o.Session = []session.Attachable{secretsprovider.FromMap(map[string][]byte{"ca": ca})}
	}
	return o, nil
}

// push builds r, pushes the image and gives its digest.
func (r recipe) push(ctx context.Context, report func(string)) (digest.Digest, error) {
	o, err := r.options()
	if err != nil {
		return "", err
	}
	c, err := client.New(ctx, r.builder)
	if err != nil {
		return "", fault.New(fault.Builder, "go tool mage setup", "connecting to the builder at %q: %w", r.builder, err)
	}
	defer c.Close()
	var log tailBuffer
	var pushed digest.Digest
	status := make(chan *client.SolveStatus)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		answer, err := c.Solve(ctx, nil, o, status)
		if err == nil {
			pushed = digest.Digest(answer.ExporterResponse[exptypes.ExporterImageDigestKey])
			err = pushed.Validate()
		}
		return err
	})
	g.Go(func() error {
		for event := range status {
			for _, v := range event.Vertexes {
				if v.Started != nil && v.Completed == nil {
					report(shorten(v.Name, 60))
				}
			}
			for _, l := range event.Logs {
				_, _ = log.Write(l.Data)
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return "", fault.New(fault.Builder, "go tool mage setup", "building %q from %s: %w", r.image, r.file, err).
			WithDetail(lastLines(log.bytes(), 12)...)
	}
	return pushed, nil
}
