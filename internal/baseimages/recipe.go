package baseimages

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"

	recipes "github.com/25eloquence/compose-mage/docker/bases"
	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/stepnet"
)

// Recipe is a Dockerfile that a builder builds, and where the image is pushed to.
type Recipe struct {
	Builder  string            // address
	Dir      string            // of the Dockerfile
	File     string            // its name there
	Image    string            // host:port/repository:tag
	Contexts map[string]string // folders: "context" is the build context, others are named contexts
	Args     map[string]string // build arguments
	Network  *stepnet.Network  // of its steps; nil where they share the host's
}

// writeRecipes writes the embedded recipes to <state>/bases/recipes and gives that path.
func writeRecipes(stateDir string) (string, error) {
	dir := filepath.Join(stateDir, "bases", "recipes")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making %q: %w", dir, err)
	}
	names, err := fs.Glob(recipes.Files, "*")
	if err != nil {
		return "", fmt.Errorf("listing the recipes: %w", err)
	}
	for _, name := range names {
		data, err := recipes.Files.ReadFile(name)
		if err == nil {
			err = state.WriteIfChanged(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			return "", fmt.Errorf("writing the recipe %q: %w", name, err)
		}
	}
	return dir, nil
}

func (r Recipe) options() (client.SolveOpt, error) {
	o := client.SolveOpt{
		Frontend:      "dockerfile.v0",
		FrontendAttrs: map[string]string{"filename": r.File},
		LocalMounts:   map[string]fsutil.FS{},
		Exports: []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{
			"name": r.Image, "push": "true",
			// Half a gigabyte of Go and compilers, which stay on this machine: the fastest level takes a third of the
			// time.
			"compression": "gzip", "compression-level": "1",
		}}},
	}
	folders := map[string]string{"dockerfile": r.Dir}
	for name, dir := range r.Contexts {
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
	for name, value := range r.Args {
		o.FrontendAttrs["build-arg:"+name] = value
	}
	for _, name := range slices.Concat(stepnet.ProxyVariables, []string{"NO_PROXY"}) {
		for _, name := range []string{name, strings.ToLower(name)} {
			if value := os.Getenv(name); value != "" {
				if !strings.EqualFold(name, "NO_PROXY") {
					value, _ = r.Network.Reachable(value)
				}
				o.FrontendAttrs["build-arg:"+name] = value
			}
		}
	}
	if path := stepnet.CABundle(); path != "" {
		ca, err := bounded.ReadFile(path)
		if err != nil {
			return o, fmt.Errorf("reading the CA bundle: %w", err)
		}
		o.Session = []session.Attachable{secretsprovider.FromMap(map[string][]byte{"ca": ca})}
	}
	return o, nil
}

// Push builds the image, pushes it and gives its digest.
func (r Recipe) Push(ctx context.Context, report func(string)) (digest.Digest, error) {
	o, err := r.options()
	if err != nil {
		return "", err
	}
	c, err := client.New(ctx, r.Builder)
	if err != nil {
		return "", fault.New(fault.Builder, "go tool mage setup", "connecting to the builder at %q: %w", r.Builder, err)
	}
	defer c.Close()
	var log daemon.Tail
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
					report(daemon.Shorten(v.Name, 60))
				}
			}
			for _, l := range event.Logs {
				_, _ = log.Write(l.Data)
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return "", fault.New(fault.Builder, "go tool mage setup", "building %q from %s: %w", r.Image, r.File, err).
			WithDetail(daemon.LastLines(log.Bytes(), 12)...)
	}
	return pushed, nil
}
