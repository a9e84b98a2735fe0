package delivery

import (
	"fmt"

	"github.com/distribution/reference"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// loginFault is the failure to read a login.
func loginFault(s *subject, err error) error {
	return fault.New(fault.Registry, "docker login", "%s: image %q: %w", s.who(), s.name, err)
}

// registryFault is why a registry did not give or take an image, and what to do about it. ref is the image's name
// there.
func registryFault(s *subject, ref string, err error) error {
	host := hostOf(ref)
	shown := host
	if host == "docker.io" {
		shown = "Docker Hub"
	}
	said := bounded.Line(err.Error())
	about := fmt.Sprintf("%s: image %q", s.who(), s.name)
	if ref != s.name {
		about += fmt.Sprintf(", in the registry as %q", ref)
	}
	switch fault.RegistryRefusalOf(err) {
	case fault.RegistryLacks:
		return fault.New(fault.Registry, fault.Correct, "%s: %s has no such image: %s", about, shown, said)
	case fault.RegistryDenies:
		next := "docker login " + fault.Quote(host)
		if host == "docker.io" {
			next = "docker login"
		}
		return fault.New(fault.Registry, next, "%s: %s has no such image, or does not give it to this user: %s", about,
			shown, said)
	case fault.RegistryAway:
		return fault.New(fault.Registry, "docker pull "+fault.Quote(ref)+", on the manager",
			"%s: the manager does not reach %s: %s", about, shown, said)
	case fault.RegistryUntrusted:
		return fault.New(fault.Registry,
			"the registry's CA into "+fault.Quote("/etc/docker/certs.d/"+host+"/ca.crt")+" on every node, then again",
			"%s: the manager does not trust the certificate of %s: %s", about, shown, said)
	case fault.RegistryPlain:
		return fault.New(fault.Registry,
			fault.Quote(host)+" into insecure-registries in /etc/docker/daemon.json of every node, or TLS for it",
			"%s: %s speaks plain HTTP, and the manager's engine may not: %s", about, shown, said)
	}
	return fault.New(fault.Registry, "docker pull "+fault.Quote(ref)+", on the manager", "%s: asking %s: %s", about,
		shown, said)
}

// hostOf is the registry of a reference, host[:port].
func hostOf(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	return reference.Domain(named)
}
