package solve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/solver/pb"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/25eloquence/compose-mage/internal/buildcache"
	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/trace"
)

// Request is a solve of a Dockerfile, and the solves of the other services' Dockerfiles whose images it needs as
// contexts.
type Request struct {
	client.SolveOpt
	needs map[string]Request // by the context's name
}

// solve runs the request on b. The images that are needed are solved within the same solve, from the build cache as a
// rule, since they are built first.
func (q Request) solve(
	ctx context.Context, b *builder.Builder, status chan *client.SolveStatus,
) (*client.SolveResponse, error) {
	if len(q.needs) == 0 {
		return b.Solve(ctx, nil, q.SolveOpt, status)
	}
	whole := q.SolveOpt
	// The gateway function gives these to the frontend; the client would take them for another definition's.
	whole.FrontendInputs, whole.FrontendAttrs = nil, maps.Clone(q.FrontendAttrs)
	serving, end := context.WithCancel(ctx)
	defer end()
	sessions := map[string]string{} // one of each service: an image that is needed twice is then the same graph twice
	serve := func(need Request) (string, error) {
		id, ok := sessions[need.SharedKey]
		if !ok {
			var err error
			if id, err = need.serve(serving, b); err != nil {
				return "", err
			}
			sessions[need.SharedKey] = id
		}
		return id, nil
	}
	return b.Build(ctx, whole, "", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		return q.result(ctx, c, "", serve)
	}, status)
}

// result has the frontend make the result of the request's Dockerfile, as a graph whose steps run later. from is the
// session that serves its local contexts, "" for the build's own; serve opens one for what is needed.
func (q Request) result(
	ctx context.Context, c gateway.Client, from string, serve func(Request) (string, error),
) (*gateway.Result, error) {
	attrs, inputs := maps.Clone(q.FrontendAttrs), map[string]*pb.Definition{}
	if imports := c.BuildOpts().Opts["cache-imports"]; imports != "" {
		attrs["cache-imports"] = imports
	}
	if from != "" {
		for name := range q.LocalMounts {
			attrs["local-sessionid:"+name] = from
		}
	}
	add := func(name string, state llb.State) error {
		definition, err := state.Marshal(ctx)
		if err == nil {
			inputs[name] = definition.ToPB()
		}
		return err
	}
	for name, state := range q.FrontendInputs {
		if err := add(name, state); err != nil {
			return nil, err
		}
	}
	for name, need := range q.needs {
		id, err := serve(need)
		if err != nil {
			return nil, err
		}
		made, err := need.result(ctx, c, id, serve)
		if err == nil {
			err = asContext(name, made, attrs, add)
		}
		if err != nil {
			return nil, fmt.Errorf("additional context %q: %w", name, err)
		}
	}
	return c.Solve(ctx, gateway.SolveRequest{Frontend: q.Frontend, FrontendOpt: attrs, FrontendInputs: inputs})
}

// serve offers the request's local contexts to the builder until ctx ends. The dockerfile frontend knows each by one
// name only, so that those of two services need two sessions.
func (q Request) serve(ctx context.Context, b *builder.Builder) (id string, err error) {
	s, err := session.NewSession(ctx, q.SharedKey)
	if err != nil {
		return "", err
	}
	source := filesync.StaticDirSource{}
	for name, dir := range q.LocalMounts {
		source[name],
			err = fsutil.NewFilterFS(dir, &fsutil.FilterOpt{Map: func(_ string, stat *fstypes.Stat) fsutil.MapResult {
			stat.Uid, stat.Gid = 0, 0 // as BuildKit's client does
			return fsutil.MapResultKeep
		}})
		if err != nil {
			return "", err
		}
	}
	s.Allow(filesync.NewFSSyncProvider(source, nil))
	go func() { _ = s.Run(ctx, b.Dial) }()
	return s.ID(), nil
}

// asContext makes an image a named context: its file systems become inputs, by add, and its configuration an
// attribute, one of each for every platform. The keys are those of BuildKit's frontend/dockerui.
func asContext(name string, image *gateway.Result, attrs map[string]string, add func(string, llb.State) error) error {
	one := func(suffix string, ref gateway.Reference, config []byte) error {
		state := llb.Scratch()
		if ref != nil { // nil: FROM scratch, with no files
			var err error
			if state, err = ref.ToState(); err != nil {
				return err
			}
		}
		input := "service-" + name + suffix // "context" and "dockerfile" are taken
		attrs["context:"+name+suffix] = "input:" + input
		if config != nil {
			metadata, err := json.Marshal(map[string][]byte{exptypes.ExporterImageConfigKey: config})
			if err != nil {
				return err
			}
			attrs["input-metadata:"+input] = string(metadata)
		}
		return add(input, state)
	}
	if len(image.Refs) == 0 {
		return one("", image.Ref, image.Metadata[exptypes.ExporterImageConfigKey])
	}
	for platform, ref := range image.Refs {
		if err := one("::"+platform, ref, image.Metadata[exptypes.ExporterImageConfigKey+"/"+platform]); err != nil {
			return err
		}
	}
	return nil
}

// SetPlatforms has the request, and what it needs, built for a list of platforms ("linux/amd64,linux/arm64").
func (q Request) SetPlatforms(list string) {
	q.FrontendAttrs["platform"] = list
	for _, need := range q.needs {
		need.SetPlatforms(list)
	}
}

// SetHostGateway puts the builder's address of its host where extra_hosts say host-gateway.
func (q Request) SetHostGateway(b *builder.Builder) error {
	const name = "=host-gateway"
	if hosts := q.FrontendAttrs["add-hosts"]; strings.Contains(hosts, name) {
		if b.Gateway == "" {
			return fmt.Errorf("build.extra_hosts: the builder %s does not say what host-gateway is; name an address",
				b.Where)
		}
		q.FrontendAttrs["add-hosts"] = strings.ReplaceAll(hosts, name, "="+b.Gateway)
	}
	for _, need := range q.needs {
		if err := need.SetHostGateway(b); err != nil {
			return err
		}
	}
	return nil
}

// Run runs one solve, forwards its progress until the channel is drained, and ends the solve where a registry is
// silent.
func Run(before context.Context, b *builder.Builder, q Request, rec *Recorder) (*client.SolveResponse, error) {
	ctx, cancel := context.WithCancelCause(before)
	defer cancel(nil)
	rec.stop, rec.size, rec.args = cancel, b.BlobSize, q.arguments()
	status := make(chan *client.SolveStatus)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for s := range status {
			rec.update(s)
		}
	}()
	go rec.watch(ctx)
	resp, err := q.solve(ctx, b, status)
	<-drained
	trace.Of(before).AddAll(rec.Spans(time.Now()))
	switch {
	case err == nil || ctx.Err() == nil:
		return resp, err
	case errors.Is(context.Cause(ctx), registry.ErrSilent):
		// The image is made: a second solve names it from the builder's own cache, without the export.
		rec.warning = registry.ErrSilent.Error()
		return Run(before, b, q.withoutExport(), NewRecorder(rec.name, nil))
	}
	return nil, context.Cause(ctx)
}

// RunOrDropImports is Run, made again without the caches that the solve imports where nothing more comes of a layer
// that one of them has; warning says so.
func RunOrDropImports(
	ctx context.Context, b *builder.Builder, q Request, rec *Recorder,
) (resp *client.SolveResponse, warning string, err error) {
	resp, err = Run(ctx, b, q, rec)
	if !errors.Is(err, ErrLayerSilent) || len(q.CacheImports) == 0 {
		return resp, "", err
	}
	warning = fmt.Sprintf("the build cache at %s was given up: nothing more of a layer came for %s",
		buildcache.Place(q.CacheImports[0]), stepWithin)
	q.CacheImports = nil
	rec.reset()
	resp, err = Run(ctx, b, q, rec)
	return resp, warning, err
}

// withoutExport is the request for a second solve, once the steps have run, without the caches that are not in the
// image itself.
func (q Request) withoutExport() Request {
	q = q.UsingCache()
	q.CacheExports = slices.DeleteFunc(slices.Clone(q.CacheExports),
		func(e client.CacheOptionsEntry) bool { return e.Type != buildcache.InlineType })
	return q
}

// UsingCache is the request for a second solve, which uses what the first one has just made.
func (q Request) UsingCache() Request {
	q.FrontendAttrs = withoutNoCache(q.FrontendAttrs)
	return q
}

// withoutNoCache lets a second solve use what the first has just made.
func withoutNoCache(attrs map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range attrs {
		if k != "no-cache" {
			out[k] = v
		}
	}
	return out
}
