package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/fatih/color"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/solver/errdefs"
	moby "github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Engine is what a build needs of the Docker Engine.
type Engine interface {
	ImageInspect(ctx context.Context, image string, opts ...moby.ImageInspectOption) (moby.ImageInspectResult, error)
	ImageLoad(ctx context.Context, input io.Reader, opts ...moby.ImageLoadOption) (moby.ImageLoadResult, error)
}

// Options are the surroundings of a build.
type Options struct {
	Builder     *client.Client
	Engine      Engine
	Environment Environment
	Out         *ui.Out
	Progress    string // auto, plain, tty, quiet, rawjson
}

// Result is what became of one image.
type Result struct {
	Target  Target
	ID      string // sha256:…, the engine's image ID
	Steps   int
	Cached  int
	Loaded  int64 // bytes streamed to the engine; 0 where it had the image
	Took    time.Duration
	Warning string // the build cache could not be written
	Err     error
}

// Build builds every image of the plan at the same time on one connection and loads those that changed into the
// engine. An image that fails stops no other. The results come in the plan's order; the error joins the failures.
func Build(ctx context.Context, plan Plan, o Options) ([]Result, error) {
	show, err := newDisplay(o.Out.Writer(), o.Progress, o.Out.Terminal())
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(plan.Targets))
	var all sync.WaitGroup
	for i, t := range plan.Targets {
		all.Go(func() {
			start := time.Now()
			results[i] = buildOne(ctx, plan.Project, t, o, show)
			results[i].Took = time.Since(start)
		})
	}
	all.Wait()
	show.close()
	if err := ctx.Err(); err != nil {
		return results, err
	}
	printResults(o.Out, results)
	return results, failures(results)
}

// buildOne solves the target, asks whether the engine has the result, and if not solves again (from the cache, in an
// instant) to export: image to the engine, cache to the registry. An unchanged image so moves no bytes.
func buildOne(ctx context.Context, project string, t Target, o Options, show *display) Result {
	r := Result{Target: t}
	opt, err := t.solveOpt(project, o.Environment)
	if err != nil {
		r.Err = fault.New(fault.Config, "", "building %q: %w", t.Service, err)
		return r
	}
	rec := newRecorder(t.Service, show)
	opt.CacheImports = t.cacheImports()
	opt.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"compression": "uncompressed"}}}
	resp, err := solve(ctx, o.Builder, opt, rec.update)
	r.Steps, r.Cached = rec.counts()
	if err != nil {
		r.Err = buildError(ctx, t, rec, err)
		return r
	}
	r.ID = resp.ExporterResponse[exptypes.ExporterImageConfigDigestKey]
	if have(ctx, o.Engine, r.ID, t.Names) {
		return r
	}
	export := newRecorder(t.Service, nil)
	opt.CacheExports = t.cacheExports()
	r.Loaded, r.Err = load(ctx, o, opt, t, export)
	r.Warning = export.warning
	if r.Err != nil {
		r.Err = buildError(ctx, t, export, r.Err)
	}
	return r
}

// have says whether the engine knows the image under every one of its names.
func have(ctx context.Context, engine Engine, id string, names []string) bool {
	for _, name := range names {
		found, err := engine.ImageInspect(ctx, name)
		if err != nil || id == "" || found.ID != id {
			return false
		}
	}
	return true
}

// buildError says which step of which image failed, with its Dockerfile lines and last output.
func buildError(ctx context.Context, t Target, rec *recorder, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var typed *fault.Error
	if errors.As(err, &typed) {
		return err
	}
	code, next := classify(err.Error())
	name, lines := rec.failed()
	text := lastLine(err.Error())
	if name != "" {
		text = name + ": " + text
	}
	f := fault.New(code, next, "building %q: %s", t.Service, text)
	for _, source := range errdefs.Sources(err) {
		var b bytes.Buffer
		if source.Print(&b) == nil {
			f.Detail = append(f.Detail, strings.Split(strings.TrimSpace(b.String()), "\n")...)
		}
	}
	if len(lines) > 0 {
		f.Detail = append(f.Detail, "last output:")
		for _, l := range lines {
			f.Detail = append(f.Detail, "  "+l)
		}
	}
	return f
}

// classify reads the exit code and the next command out of BuildKit's message.
func classify(message string) (fault.Code, string) {
	switch {
	case strings.Contains(message, "no space left on device"):
		return fault.Resources, "go tool mage cleanup"
	case strings.Contains(message, "failed to resolve source metadata"), strings.Contains(message, "failed to authorize"),
		strings.Contains(message, "pull access denied"):
		return fault.Registry, "go tool mage setup (makes base images where Docker Hub can't be reached), or docker login"
	case strings.Contains(message, "dockerfile parse error"), strings.Contains(message, "failed to read dockerfile"):
		return fault.Config, ""
	case strings.Contains(message, "code = Unavailable"), strings.Contains(message, "connection refused"), strings.HasSuffix(message, "EOF"):
		return fault.Builder, "go tool mage setup"
	}
	return fault.Failed, ""
}

// lastLine drops the wrapping that BuildKit puts before the cause.
func lastLine(message string) string {
	for _, prefix := range []string{"failed to solve: ", "rpc error: "} {
		if i := strings.LastIndex(message, prefix); i >= 0 {
			message = message[i+len(prefix):]
		}
	}
	return message
}

func printResults(out *ui.Out, results []Result) {
	if len(results) == 0 {
		return
	}
	rows := make([][]string, 0, len(results))
	for _, r := range results {
		state := color.GreenString("unchanged")
		switch {
		case r.Err != nil:
			state = color.RedString("failed")
		case r.Loaded > 0:
			state = color.GreenString("loaded ") + ui.Bytes(r.Loaded)
		}
		rows = append(rows, []string{r.Target.Names[0], fmt.Sprintf("%d/%d", r.Cached, r.Steps), state, ui.Seconds(r.Took)})
	}
	ui.Table(out.Writer(), []string{"IMAGE", "CACHED", "RESULT", "TIME"}, rows)
	for _, r := range results {
		if r.Warning != "" {
			out.Warn("%s: the build cache was not written to %s: %s", r.Target.Service, r.Target.CacheRef, lastLine(r.Warning))
		}
	}
}

// failures joins what failed; the exit code is the first failure's.
func failures(results []Result) error {
	var failed []error
	for _, r := range results {
		if r.Err != nil {
			failed = append(failed, r.Err)
		}
	}
	return errors.Join(failed...)
}
