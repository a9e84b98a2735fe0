package fault

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestBuilderLost(t *testing.T) {
	if !BuilderLost(fmt.Errorf("failed to solve: %w",
		status.Error(codes.Unavailable, "error reading from server: EOF"))) {
		t.Error("a broken connection is not seen")
	}
	if BuilderLost(nil) || BuilderLost(status.Error(codes.Unknown, "code = Unavailable desc = connection refused")) {
		t.Error("words pass for a code")
	}
	if !SessionLost(errors.New("failed to solve: no active session for x")) || SessionLost(errors.New("no session")) ||
		SessionLost(nil) {
		t.Error("a session that is gone")
	}
}

func TestBuildMessageDropsTheWrappingFromTheFront(t *testing.T) {
	for text, want := range map[string]string{
		"failed to solve: failed to solve: x":                     "x",
		"failed to receive status: rpc error: code = Unknown":     "code = Unknown",
		`process "echo failed to solve: x" failed`:                `process "echo failed to solve: x" failed`,
		"rpc error: failed to solve: stays, as it is not outmost": "failed to solve: stays, as it is not outmost",
	} {
		if got := BuildMessage(text); got != want {
			t.Errorf("%q: got %q", text, got)
		}
	}
}

func TestBuildFailures(t *testing.T) {
	for text, want := range map[string]struct {
		failure          BuildFailure
		layer, forbidden bool
	}{
		"dockerfile parse error on line 3: unknown instruction: RUNN": {
			DockerfileInvalid, false, false,
		},
		"failed to solve: failed to read dockerfile: open Dockerfile: no such file": {
			DockerfileInvalid, false, false,
		},
		"process \"echo dockerfile parse error\"": {
			OtherBuildFailure, false, false,
		},
		"granting entitlement network.host is not allowed by build daemon configuration": {
			HostNetworkForbidden, false, false,
		},
		"granting entitlement security.insecure is not allowed by build daemon": {
			EntitlementForbidden, false, false,
		},
		"failed to resolve source metadata for docker.io/library/x: 403 Forbidden": {RegistryFailed, true, true},
		"failed to solve: failed to copy: httpReadSeeker: failed open: EOF":        {RegistryFailed, true, false},
		"failed to compute cache key: failed to copy: x": {
			OtherBuildFailure, true, false,
		},
		"failed to prepare x":                                  {OtherBuildFailure, false, false},
		"failed to push x: denied: y":                          {RegistryFailed, true, true},
		"server said: failed to push x":                        {RegistryFailed, false, false},
		"failed to authorize: failed to fetch anonymous token": {RegistryFailed, false, true},
		"401 Unauthorized":                                     {OtherBuildFailure, false, true},
		"authentication required":                              {OtherBuildFailure, false, true},
		"authorization failed":                                 {OtherBuildFailure, false, true},
		"access denied":                                        {OtherBuildFailure, false, false},
		"failed to mount failed to push x":                     {RegistryFailed, true, false},
	} {
		err := errors.New(text)
		if got := BuildFailureOf(err); got != want.failure {
			t.Errorf("%q: a failure of kind %d, want %d", text, got, want.failure)
		}
		if got := LayerMissing(err); got != want.layer {
			t.Errorf("%q: a layer is missing: %v", text, got)
		}
		if got := RegistryForbidden(err); got != want.forbidden {
			t.Errorf("%q: a registry forbids: %v", text, got)
		}
	}
	if BuildFailureOf(nil) != OtherBuildFailure || LayerMissing(nil) || RegistryForbidden(nil) {
		t.Error("no error is a failure")
	}
}
