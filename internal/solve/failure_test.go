package solve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// failedRun is a RUN that failed as BuildKit sends it: the command's text is in its message, in front of everything
// that it has.
func failedRun(text string) error {
	exit := &gateway.ExitError{ExitCode: 1, Err: errors.New("exit code: 1")}
	return ofOp(fmt.Errorf("process %q did not complete successfully: %w", "/bin/sh -c echo "+text, exit),
		&pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{}}})
}

func ofOp(err error, op *pb.Op) error {
	return fmt.Errorf("failed to solve: %w",
		&errdefs.SolveError{Err: errdefs.WrapVertex(err, "sha256:1"), Solve: &errdefs.Solve{Op: op}})
}

// A command can print, and be, whatever another failure says.
func TestACommandsTextIsNoCause(t *testing.T) {
	for _, text := range []string{
		"dial tcp: connection refused", "write x: no space left on device", "401 Unauthorized", "pull access denied",
		"failed to authorize",
		"rpc error: code = Unavailable desc = error reading from server: EOF", "no active session for x",
		"dockerfile parse error on line 1",
		"failed to resolve source metadata for docker.io/library/x", "failed to copy: httpReadSeeker: failed open",
		"failed to push x",
		"network.host is not allowed by build daemon configuration", "Cannot connect to the Docker daemon",
		"not found: manifest unknown",
		"failed to solve: failed to copy: httpReadSeeker: failed open",
		"github.com/containerd/errdefs.ErrUnavailable: unavailable",
	} {
		unnumbered := ofOp(fmt.Errorf("process %q did not complete successfully", text),
			&pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{}}})
		for name, err := range map[string]error{"exit": failedRun(text), "killed": unnumbered} {
			if code, next := origin(err, "[app 2/2] RUN echo "+text); code != fault.Failed || next != "" ||
				BuilderLost(err) {
				t.Errorf("%s %q: code %d, next %q, lost %v", name, text, code, next, BuilderLost(err))
			}
		}
		rec := NewRecorder("app", nil)
		rec.byID["sha256:1"] = &step{name: "[app 2/2] RUN x", error: "exit code: 1", lines: []string{text}}
		var f *fault.Error
		if err := Error(context.Background(), "", buildplan.Target{Service: "app"}, rec,
			failedRun(text)); !errors.As(err, &f) || f.Code != fault.Failed ||
			!strings.Contains(f.Error(), "last output:\n    "+text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestOrigin(t *testing.T) {
	source := func(address string) *pb.Op {
		return &pb.Op{Op: &pb.Op_Source{Source: &pb.SourceOp{Identifier: address}}}
	}
	exec := &pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{}}}
	for name, c := range map[string]struct {
		err  error
		step string
		want fault.Code
		next string
	}{
		"a base's layer": {ofOp(errors.New("failed to copy: connection refused"),
			source("docker-image://docker.io/library/x")), "", fault.Registry, "setup"},
		"a base that is denied": {
			ofOp(errors.New("401 Unauthorized"), source("docker-image://docker.io/library/x")),
			"", fault.Registry, "docker login",
		},
		"a layer in mid-RUN": {
			ofOp(errors.New("failed to copy: httpReadSeeker: failed open: EOF"), exec), "",
			fault.Registry, "setup",
		},
		"a base's name": {
			errors.New("x: unexpected EOF"), "[app internal] load metadata for docker.io/library/x",
			fault.Registry, "setup",
		},
		"a frontend": {
			errors.New("connection refused"),
			"[app] resolve image config for docker-image://docker.io/x/y", fault.Registry, "",
		},
		"a cache": {
			errors.New("connection refused"), "[app] importing cache manifest from x",
			fault.Registry, "CACHE_REGISTRY=none",
		},
		"a push": {
			errors.New("failed to push x: dial: connection refused"), "[app] exporting to image",
			fault.Registry, "",
		},
		"an ADD": {
			ofOp(errors.New("dial tcp: connection refused"), source("https://example.org/x")), "",
			fault.Failed, "",
		},
		"a Git context": {
			ofOp(errors.New("401 Unauthorized"), source("git://example.org/x")), "", fault.Failed,
			"",
		},
		"a COPY's disk": {ofOp(errors.New("write /x: no space left on device"),
			&pb.Op{Op: &pb.Op_File{File: &pb.FileOp{}}}), "", fault.Resources, "cleanup"},
		"a COPY's file": {ofOp(errors.New(`"/no space left on device": not found`),
			&pb.Op{Op: &pb.Op_File{File: &pb.FileOp{}}}), "", fault.Failed, ""},
		"an older builder's": {
			errdefs.WrapVertex(errors.New("dial tcp: connection refused"), "sha256:1"),
			"[app 2/3] ADD x", fault.Failed, "",
		},
		"the builder": {fmt.Errorf("failed to solve: %w",
			status.Error(codes.Unavailable, "error reading from server: EOF")), "", fault.Builder, "setup"},
		"the engine": {
			&net.OpError{Op: "read", Net: "unix", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
			"", fault.Engine, fault.Again,
		},
		"a line": {errdefs.WithSource(errors.New("network.host is not allowed by build daemon"),
			&errdefs.Source{}), "", fault.Config, ""},
		"a parse error": {
			errors.New("dockerfile parse error on line 3: unknown instruction: RUNN"), "", fault.Config,
			"",
		},
		"an entitlement": {
			errors.New("granting entitlement network.host is not allowed by build daemon configuration"),
			"", fault.Config, "setup",
		},
		"another": {
			errors.New("granting entitlement security.insecure is not allowed by build daemon configuration"),
			"", fault.Config, "BUILDKIT_HOST",
		},
	} {
		code, next := origin(c.err, c.step)
		if code != c.want || !strings.Contains(next, c.next) {
			t.Errorf("%s: code %d, next %q; want %d, %q", name, code, next, c.want, c.next)
		}
		if BuilderLost(c.err) != (c.want == fault.Builder) {
			t.Errorf("%s: lost %v", name, BuilderLost(c.err))
		}
	}
}

// A Compose file may name any file as a Dockerfile: what is in one that is none is the project's to show, or it is not
// shown.
func TestNoLineOfAForeignDockerfile(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	err := errdefs.WithSource(errors.New("dockerfile parse error on line 1: unknown instruction: root:$6$s3cr"),
		&errdefs.Source{
			Info:   &pb.SourceInfo{Filename: "shadow", Data: []byte("root:$6$s3cr\n")},
			Ranges: []*pb.Range{{Start: &pb.Position{Line: 1}, End: &pb.Position{Line: 1}}},
		})
	for dockerfile, shown := range map[string]bool{dir + "/Dockerfile": true, other + "/shadow": false, "": true} {
		target := buildplan.Target{Service: "app", Dockerfile: dockerfile}
		got := Error(context.Background(), dir, target, NewRecorder("app", nil), err)
		var f *fault.Error
		if !errors.As(got, &f) || f.Code != fault.Config || strings.Contains(got.Error(), "s3cr") != shown {
			t.Errorf("%s: %v", dockerfile, got)
		}
	}
	step := failedRun("x")
	if got := unquoted(dir, buildplan.Target{Service: "app", Dockerfile: other + "/Dockerfile"},
		step); got != step { //nolint:errorlint // it is the same error, untouched
		t.Errorf("a step of a Dockerfile that is one: %v", got)
	}
}

// An error that says its code and remedy already is left as it is, whatever the Dockerfile.
func TestATypedErrorIsLeftAsItIs(t *testing.T) {
	target := buildplan.Target{Service: "app", Dockerfile: filepath.Join(t.TempDir(), "Dockerfile")}
	var f *fault.Error
	err := Error(context.Background(), t.TempDir(), target, NewRecorder("app", nil),
		fault.New(fault.Registry, "do that", "silent"))
	if !errors.As(err, &f) || f.Code != fault.Registry || f.Next != "do that" ||
		!strings.HasPrefix(err.Error(), `building "app": silent`) {
		t.Errorf("got %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Error(ended, "", target, NewRecorder("app", nil), errors.New("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("a build that was ended: %v", err)
	}
}
