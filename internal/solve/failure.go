package solve

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"github.com/25eloquence/compose-mage/internal/builddisplay"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// Error says which step of which image failed, with its Dockerfile lines and last output. dir is the project's
// directory.
func Error(ctx context.Context, dir string, t buildplan.Target, rec *Recorder, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var typed *fault.Error
	if !errors.As(err, &typed) {
		err = unquoted(dir, t, err)
	}
	if errors.As(err, &typed) {
		typed.Err = wrap(t.Service, typed.Err)
		return typed
	}
	name, lines := rec.failedStep(err)
	code, next := origin(err, name)
	if next == "" {
		next = "correct it, then go tool mage build " + fault.Quote(t.Service)
	}
	text := fault.BuildMessage(err.Error())
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
	if code == fault.Failed &&
		slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "o space left on device") }) {
		// What the step prints decides nothing, but the disk may be full all the same.
		f.Detail = append(f.Detail, "if it is the builder's disk that is full: go tool mage cleanup")
	}
	return f
}

// unquoted is err without the lines of a Dockerfile that is none and lies outside of the project: the Compose file may
// have named any file.
func unquoted(dir string, t buildplan.Target, err error) error {
	if code, _ := origin(err, ""); code != fault.Config || t.Dockerfile == "" || !compose.Outside(dir, t.Dockerfile) {
		return err
	}
	return fault.New(fault.Config, "correct build.dockerfile, then go tool mage build "+fault.Quote(t.Service),
		"building %q: %q is not a valid Dockerfile (what is in it is not shown: it lies outside of the project)",
		t.Service, t.Dockerfile)
}

// wrap names the image before an error that does not name it yet.
func wrap(service string, err error) error {
	if strings.HasPrefix(err.Error(), "building ") {
		return err
	}
	return fault.New(fault.Failed, "", "building %q: %w", service, err)
}

// What the user can do about a registry.
const (
	nextLogin = "docker login, with an account that may read the image"
	nextBase  = "go tool mage setup (makes base images where Docker Hub can't be reached), or docker login"
)

// origin gives the exit code and the next command by where the error comes from: the types that BuildKit sends with
// it, then the step that failed, and its text last. A command of the Dockerfile that failed says nothing of the
// builder, a disk or a registry, whatever its text, which BuildKit's message repeats. step is the failed step's name,
// "" where that is not known.
func origin(err error, step string) (fault.Code, string) {
	var exit *gateway.ExitError
	if errors.As(err, &exit) && exit.ExitCode != gateway.UnknownExitStatus {
		return fault.Failed, ""
	}
	op := operation(err)
	switch {
	case op.GetExec() != nil && !fault.LayerMissing(err):
		return fault.Failed, ""
	case fault.EngineLost(err):
		return fault.Engine, fault.Again
	case fault.DiskFull(err):
		return fault.Resources, "go tool mage cleanup"
	case strings.Contains(step, builddisplay.Importing), strings.HasSuffix(step, "] exporting cache to registry"):
		return fault.Registry, "CACHE_REGISTRY=none for a build without it"
	case strings.HasPrefix(op.GetSource().GetIdentifier(), "docker-image://"), asksRegistry(step),
		fault.LayerMissing(err):
		return registryFault(err)
	case op != nil:
		return fault.Failed, ""
	}
	var vertex *errdefs.VertexError
	if errors.As(err, &vertex) { // the builder answered: something else was not reached
		code, next := classify(err)
		if code != fault.Registry {
			return fault.Failed, ""
		}
		return code, next
	}
	if fault.BuilderLost(err) {
		return fault.Builder, "go tool mage setup"
	}
	if len(errdefs.Sources(err)) > 0 { // the frontend's, of a line of the Dockerfile
		return fault.Config, ""
	}
	return classify(err)
}

// operation is the step that an error is of, as BuildKit had it; nil where it does not say.
func operation(err error) *pb.Op {
	var solve *errdefs.SolveError
	if errors.As(err, &solve) {
		return solve.Op
	}
	return nil
}

// asksRegistry says whether BuildKit's name of a step is that of one that only asks a registry.
func asksRegistry(step string) bool {
	return strings.Contains(step, " internal] load metadata for ") || strings.Contains(step, "] FROM ") ||
		strings.Contains(step, "] resolve image config for ") || strings.Contains(step, "] pushing ")
}

// registryFault is that of a step that asked a registry, with what may help.
func registryFault(err error) (fault.Code, string) {
	if fault.RegistryForbidden(err) {
		return fault.Registry, nextLogin
	}
	return fault.Registry, nextBase
}

// classify gives the exit code and the next command of a failure that has no type and is not of a step.
func classify(err error) (fault.Code, string) {
	switch fault.BuildFailureOf(err) {
	case fault.DockerfileInvalid:
		return fault.Config, ""
	case fault.HostNetworkForbidden:
		return fault.Config, "go tool mage setup (its builder allows network.host)"
	case fault.EntitlementForbidden:
		return fault.Config, "BUILDKIT_HOST=… go tool mage build, with a builder whose insecure-entitlements have it"
	case fault.RegistryFailed:
		return registryFault(err)
	case fault.OtherBuildFailure:
	}
	return fault.Failed, ""
}

// BuilderLost says whether the error may mean that the builder is gone: the connection broke, or it knows nothing of
// our session any more.
func BuilderLost(err error) bool {
	if err == nil {
		return false
	}
	if code, _ := origin(err, ""); code == fault.Builder {
		return true
	}
	var vertex *errdefs.VertexError
	return operation(err).GetExec() == nil && !errors.As(err, &vertex) && fault.SessionLost(err)
}
