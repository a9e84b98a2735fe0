package delivery

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// RegistryVariable names the registry that images go to, where no option does.
const RegistryVariable = "DEPLOY_REGISTRY"

// Means are the ways there are to bring images to nodes. At most one of both is set.
type Means struct {
	// Registry is where images go whose own names have no registry: host[:port][/prefix].
	Registry string
	// Connections are the addresses of nodes' engines, by host name or ID: ssh://…, tcp://…, unix://….
	Connections map[string]string
}

// Given is where the means may be said.
type Given struct {
	Registry string            // the option -registry
	Nodes    string            // the option -nodes: name=address, separated by commas
	Variable string            // DEPLOY_REGISTRY, of the environment or .env
	File     map[string]string // x-compose-mage.nodes of the Compose file
}

// Choose gives the means that count: an option before the environment, that before the Compose file.
func Choose(g Given) (Means, error) {
	switch {
	case g.Registry != "" && g.Nodes != "":
		return Means{}, fault.New(fault.Usage, "",
			"-registry and -nodes are two ways to bring images to the nodes: name one")
	case g.Registry != "":
		return viaRegistry("-registry", g.Registry)
	case g.Nodes != "":
		connections, err := parseNodes(g.Nodes)
		return Means{Connections: connections}, err
	case g.Variable != "":
		return viaRegistry(RegistryVariable, g.Variable)
	}
	return Means{Connections: maps.Clone(g.File)}, nil
}

// parseNodes reads the option -nodes.
func parseNodes(text string) (map[string]string, error) {
	out := map[string]string{}
	for one := range strings.SplitSeq(text, ",") {
		name, address, ok := strings.Cut(strings.TrimSpace(one), "=")
		if !ok || name == "" {
			return nil, fault.New(fault.Usage, "-nodes=gpu1=ssh://ops@gpu1",
				"-nodes: %q is no node's name and the address of its engine", fault.Redact(one))
		}
		if _, twice := out[name]; twice {
			return nil, fault.New(fault.Usage, "", "-nodes: %q is named twice", name)
		}
		if err := extension.CheckNode(address); err != nil {
			return nil, fault.New(fault.Usage, "", "-nodes: node %q: %w", name, err)
		}
		out[name] = address
	}
	return out, nil
}

// viaRegistry reads the name of a registry.
func viaRegistry(from, text string) (Means, error) {
	usage := func(format string, args ...any) (Means, error) {
		return Means{}, fault.New(fault.Usage, fault.Quote(from+"=registry.example:5000/team"), "%s=%q: %s", from,
			fault.Redact(text), fmt.Sprintf(format, args...))
	}
	if strings.Contains(text, "://") {
		return usage("a registry is named without a scheme; which one it speaks is for the engines")
	}
	text = strings.TrimSuffix(text, "/")
	host, _, _ := strings.Cut(text, "/")
	if why := loopback(host); why != "" {
		return usage("%s", why)
	}
	if !strings.ContainsAny(host, ".:") {
		return usage("%q is no host: a name without a dot and without a port is a user of Docker Hub", host)
	}
	if _, err := reference.ParseNormalizedNamed(text + "/x:x"); err != nil {
		return usage("no image can have such a name: %v", err)
	}
	return Means{Registry: text}, nil
}

// loopback says why no node reaches a registry of that host ("localhost:5000"); "" where the nodes may reach it.
func loopback(host string) string {
	name := host
	if i := strings.LastIndexByte(name, ':'); i >= 0 && !strings.HasSuffix(name, "]") {
		name = name[:i]
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	address, err := netip.ParseAddr(name)
	if name != "localhost" && !strings.HasSuffix(name, ".localhost") && !strings.HasPrefix(name, "127.") &&
		(err != nil || !address.Unmap().IsLoopback() && !address.IsUnspecified()) {
		return ""
	}
	return fmt.Sprintf("%s is each machine's own: on another node nobody has pushed anything there", host)
}

// ownRegistry is the registry that an image's name has itself: "ghcr.io" of ghcr.io/me/api; "" where it has none.
// Docker Hub's is none unless it is spelled out.
func ownRegistry(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return ""
	}
	domain := reference.Domain(named)
	if domain == "docker.io" && !strings.HasPrefix(name, "docker.io/") && !strings.HasPrefix(name, "index.docker.io/") {
		return ""
	}
	return domain
}

// under is the name that an image gets in the registry of the deploy: its repository keeps its path, and its tag.
func under(registry, name string) (string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", fmt.Errorf("reading the image's name %q: %w", name, err)
	}
	path := reference.Path(named)
	if reference.Domain(named) == "docker.io" {
		path = strings.TrimPrefix(path, "library/")
	}
	tag := "latest"
	if digested, ok := named.(reference.Digested); ok {
		tag = digested.Digest().Algorithm().String() + "-" + digested.Digest().Encoded()[:12]
	}
	if tagged, ok := named.(reference.Tagged); ok {
		tag = tagged.Tag()
	}
	target, err := reference.ParseNormalizedNamed(registry + "/" + path + ":" + tag)
	if err != nil {
		return "", fmt.Errorf("naming %q in %s: %w", name, registry, err)
	}
	return reference.FamiliarString(target), nil
}

// collisions are images that would get the same name in the registry.
func collisions(targets map[string][]string) error {
	for _, target := range slices.Sorted(maps.Keys(targets)) {
		if names := targets[target]; len(names) > 1 {
			return fault.New(fault.Config, fault.Correct, "%q and %q would both be pushed as %q", names[0], names[1],
				target)
		}
	}
	return nil
}
