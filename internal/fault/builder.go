package fault

import (
	"strings"

	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
)

// BuilderLost says whether err may mean that the connection to BuildKit broke. A builder that answers may have said
// so of something that the builder did not reach itself: where err has the step that failed, BuilderLost does not
// count.
func BuilderLost(err error) bool {
	return err != nil && grpcerrors.Code(err) == codes.Unavailable
}

// SessionLost says whether a builder knows nothing of our session any more, as one does that was started anew.
func SessionLost(err error) bool {
	return err != nil && strings.Contains(err.Error(), "no active session")
}

// BuildMessage is what BuildKit says of a failed build, without the wrapping before the cause. The wrapping goes from
// the front alone, since a command's own text may have the same words.
func BuildMessage(message string) string {
	for _, prefix := range []string{
		"failed to receive status: ", "failed to solve: ", "failed to solve: ", "rpc error: ",
	} {
		message = strings.TrimPrefix(message, prefix)
	}
	return message
}

// LayerMissing says whether a build's step could not begin since a layer of its base, which is fetched when first
// needed, was not given. The words begin BuildKit's message: no command's text stands before them.
func LayerMissing(err error) bool {
	if err == nil {
		return false
	}
	message := BuildMessage(err.Error())
	for _, words := range []string{"failed to compute cache key: ", "failed to prepare ", "failed to mount "} {
		message = strings.TrimPrefix(message, words)
	}
	return strings.HasPrefix(message, "failed to copy: ") || strings.HasPrefix(message, "failed to push ") ||
		strings.HasPrefix(message, "failed to resolve source metadata for ")
}

// RegistryForbidden says whether a registry gave or took nothing since it does not know this user, or does not allow
// him.
func RegistryForbidden(err error) bool {
	return err != nil && containsAny(err.Error(), "failed to authorize", "401 Unauthorized", "403 Forbidden",
		"authentication required", "authorization failed", "denied: ")
}

// BuildFailure is what a failed build is about, by BuildKit's message.
type BuildFailure int

// The failures of builds. BuildKit has no types for them.
const (
	OtherBuildFailure    BuildFailure = iota
	DockerfileInvalid                 // no Dockerfile, or one that can't be parsed
	HostNetworkForbidden              // the builder does not allow network.host
	EntitlementForbidden              // the builder does not allow another entitlement
	RegistryFailed                    // a registry refused, or was not reached
)

// BuildFailureOf reads what a failure without a type is about out of BuildKit's, or an engine's, message. The message
// has to be of something before or after the steps of a build: a command's text may say anything.
func BuildFailureOf(err error) BuildFailure {
	if err == nil {
		return OtherBuildFailure
	}
	message := BuildMessage(err.Error())
	switch {
	case strings.HasPrefix(message, "dockerfile parse error"), strings.HasPrefix(message, "failed to read dockerfile"):
		return DockerfileInvalid
	case strings.Contains(message, "network.host is not allowed by build daemon"):
		return HostNetworkForbidden
	case strings.Contains(message, "is not allowed by build daemon"):
		return EntitlementForbidden
	case containsAny(message, "failed to resolve source metadata", "failed to copy: httpReadSeeker", "failed to push",
		"failed to authorize"):
		return RegistryFailed
	}
	return OtherBuildFailure
}
