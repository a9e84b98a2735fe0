package fault

import (
	"strings"

	cerrdefs "github.com/containerd/errdefs"
)

// RegistryRefusal is why a registry did not give or take an image, as far as its user can do something about it.
type RegistryRefusal int

// The refusals of registries, as an engine passes them on. What the engine did not understand itself has no type.
const (
	OtherRegistryRefusal RegistryRefusal = iota
	RegistryLacks                        // there is no such repository, or no such tag
	RegistryDenies                       // it does not know this user, or does not allow him
	RegistryAway                         // it was not reached
	RegistryUntrusted                    // its certificate is of nobody whom the engine trusts
	RegistryPlain                        // it speaks plain HTTP, and the engine was not told that it may
)

// registryRefusals are the words for each, in lower case, the most telling first.
var registryRefusals = []struct {
	refusal RegistryRefusal
	words   []string
}{
	{RegistryPlain, []string{"server gave http response to https client", "does not look like a tls handshake"}},
	{RegistryUntrusted, []string{"x509: ", "failed to verify certificate"}},
	{RegistryAway, []string{
		"no such host", "connection refused", "i/o timeout", "network is unreachable", "no route to host",
		"deadline exceeded", "client.timeout", "handshake timeout", "server misbehaving", "proxyconnect",
		"connection reset", "request canceled while waiting",
	}},
	{RegistryDenies, []string{
		"no basic auth credentials", "unauthorized", "denied", "insufficient_scope", "authentication required",
		"failed to authorize",
	}},
	{RegistryLacks, []string{"manifest unknown", "name unknown", "not known to registry", "repository does not exist"}},
}

// RegistryRefusalOf says why a registry did not give or take an image: err is of the engine that asked it.
func RegistryRefusalOf(err error) RegistryRefusal {
	if err == nil {
		return OtherRegistryRefusal
	}
	text := strings.ToLower(err.Error())
	for _, r := range registryRefusals {
		if containsAny(text, r.words...) {
			return r.refusal
		}
	}
	switch {
	case cerrdefs.IsNotFound(err):
		return RegistryLacks
	case cerrdefs.IsUnauthorized(err), cerrdefs.IsPermissionDenied(err):
		return RegistryDenies
	}
	return OtherRegistryRefusal
}
