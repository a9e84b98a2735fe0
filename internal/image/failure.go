package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// buildError says which step of which image failed, with its Dockerfile lines and last output.
func buildError(ctx context.Context, t Target, rec *recorder, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var typed *fault.Error
	if errors.As(err, &typed) {
		typed.Err = wrap(t.Service, typed.Err)
		return typed
	}
	name, lines := rec.failed()
	code, next := origin(err)
	if full, remedy := classify(strings.ToLower(strings.Join(lines, "\n"))); code == fault.Failed && full == fault.Resources {
		code, next = full, remedy // the step itself ran out of disk
	}
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

// wrap names the image before an error that does not yet.
func wrap(service string, err error) error {
	if strings.HasPrefix(err.Error(), "building ") {
		return err
	}
	return fault.New(fault.Failed, "", "building %q: %w", service, err)
}

// origin gives the exit code and the next command by where the error comes from. A command of the Dockerfile that failed says nothing of
// the builder or a registry, whatever its text, which BuildKit's message repeats.
func origin(err error) (fault.Code, string) {
	var exit *gateway.ExitError
	if errors.As(err, &exit) && exit.ExitCode != gateway.UnknownExitStatus {
		return fault.Failed, ""
	}
	code, next := classify(err.Error())
	var step *errdefs.VertexError
	if code == fault.Builder && errors.As(err, &step) { // the builder answered: something else was not reached
		return fault.Failed, ""
	}
	return code, next
}

// classify reads the exit code and the next command out of BuildKit's message.
func classify(message string) (fault.Code, string) {
	has := func(texts ...string) bool {
		for _, t := range texts {
			if strings.Contains(message, t) {
				return true
			}
		}
		return false
	}
	switch {
	case has("no space left on device", "disk quota exceeded"):
		return fault.Resources, "go tool mage cleanup"
	case has("failed to authorize", "401 Unauthorized", "403 Forbidden", "authentication required", "denied: "):
		return fault.Registry, "docker login, with an account that may read the image"
	case has("failed to resolve source metadata", "pull access denied", "failed to copy: httpReadSeeker", "failed to push"):
		return fault.Registry, "go tool mage setup (makes base images where Docker Hub can't be reached), or docker login"
	case has("network.host is not allowed by build daemon"):
		return fault.Config, "go tool mage setup (its builder allows network.host)"
	case has("is not allowed by build daemon"):
		return fault.Config, "BUILDKIT_HOST=… go tool mage build, with a builder whose insecure-entitlements have it"
	case has("dockerfile parse error", "failed to read dockerfile"):
		return fault.Config, ""
	case has("code = Unavailable", "connection refused", "error reading from server") || strings.HasSuffix(message, "EOF"):
		return fault.Builder, "go tool mage setup"
	}
	return fault.Failed, ""
}

// lost says whether the error may mean that the builder is gone.
func lost(err error) bool {
	if err == nil {
		return false
	}
	code, _ := origin(err)
	return code == fault.Builder || strings.Contains(err.Error(), "no active session")
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

// failures joins what failed; the exit code is the first failure's. Images that only stopped since another failed are counted,
// not listed.
func failures(results []Result) error {
	var failed []error
	stopped := 0
	for _, r := range results {
		switch {
		case errors.Is(r.Err, errFailFast):
			stopped++
		case r.Err != nil:
			failed = append(failed, r.Err)
		}
	}
	if stopped > 0 {
		failed = append(failed, fmt.Errorf("%d images were not finished: %w", stopped, errFailFast))
	}
	return errors.Join(failed...)
}
