package solve

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/util/entitlements"

	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
	"github.com/25eloquence/compose-mage/internal/stepnet"
)

// attributes are the frontend's options, named as in BuildKit's frontend/dockerui.
func attributes(t buildplan.Target, project string, env Environment) map[string]string {
	attrs := map[string]string{"filename": filepath.Base(t.Dockerfile)}
	if t.Dockerfile == "" {
		attrs["filename"] = "Dockerfile"
	}
	for k, v := range buildArgs(t, env) {
		attrs["build-arg:"+k] = v
	}
	for k, v := range imageLabels(t, project) {
		attrs["label:"+k] = v
	}
	set := func(key, value string) {
		if value != "" {
			attrs[key] = value
		}
	}
	set("target", t.Build.Target)
	set("platform", t.Platform)
	if n := t.Build.Network; n == "host" || n == "none" {
		attrs["force-network-mode"] = n
	}
	set("no-cache", strings.Join(t.Build.NoCacheFilter, ","))
	if t.Build.NoCache {
		attrs["no-cache"] = ""
	}
	if t.Build.Pull {
		attrs["image-resolve-mode"] = "pull"
	}
	set("add-hosts", strings.Join(slices.Sorted(slices.Values(t.Build.ExtraHosts.AsList("="))), ","))
	if size := int64(t.Build.ShmSize); size > 0 {
		attrs["shm-size"] = strconv.FormatInt(size, 10)
	}
	set("ulimit", ulimits(t))
	if dockerfile.Remote(t.Context) {
		attrs["context"] = t.Context
		if t.Inline == "" {
			set("filename", t.Build.Dockerfile)
		}
	}
	// As buildx has it: another frontend than the builder's own.
	if syntax := strings.Fields(attrs["build-arg:"+dockerfile.SyntaxArgument]); len(syntax) > 0 {
		attrs["source"], attrs["cmdline"] = syntax[0], attrs["build-arg:"+dockerfile.SyntaxArgument]
	}
	return attrs
}

// frontend names what reads the Dockerfile: the builder's own frontend, or the gateway to the one that the attributes
// name.
func frontend(attrs map[string]string) string {
	if attrs["source"] != "" {
		return "gateway.v0"
	}
	return "dockerfile.v0"
}

// ulimits gives "name=soft:hard" for each limit, by name.
func ulimits(t buildplan.Target) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(t.Build.Ulimits)) {
		u := t.Build.Ulimits[name]
		soft, hard := u.Soft, u.Hard
		if u.Single > 0 {
			soft, hard = u.Single, u.Single
		}
		all = append(all, fmt.Sprintf("%s=%d:%d", name, soft, hard))
	}
	return strings.Join(all, ",")
}

// buildArgs gives the target's arguments, those without a value from the project's environment, and the proxies of the
// host and of the Docker configuration, which Dockerfiles know without declaring them.
func buildArgs(t buildplan.Target, env Environment) map[string]string {
	args := maps.Clone(env.Proxies)
	if args == nil {
		args = map[string]string{}
	}
	for _, proxy := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"} {
		for _, name := range []string{proxy, strings.ToLower(proxy)} {
			if v, ok := env.Lookup(name); ok && v != "" {
				args[name] = v
			}
		}
	}
	for name, value := range t.Build.Args {
		if value != nil {
			args[name] = *value
		} else if v, ok := env.Lookup(name); ok {
			args[name] = v
		}
	}
	if t.Build.Network != "host" {
		for name, value := range args {
			if proxyArgument(name) {
				args[name], _ = env.Steps.Reachable(value)
			}
		}
	}
	return args
}

// proxyArgument says whether a build argument names a proxy.
func proxyArgument(name string) bool {
	return slices.Contains(stepnet.ProxyVariables, strings.ToUpper(name))
}

// Notes says what a reader should know of a target's solve beforehand: secrets that are not there, and the network of
// its steps.
func Notes(t buildplan.Target, env Environment) []string {
	return slices.Concat(secretNotes(t, env), networkNotes(t, env))
}

// networkNotes says what a reader should know of the network of build steps: that it is the host's own, or that a
// proxy can't be reached from it.
func networkNotes(t buildplan.Target, env Environment) []string {
	if env.Steps == nil {
		return nil
	}
	if t.Build.Network == "host" {
		return []string{fmt.Sprintf("%s: its build steps are on this machine's network, its loopback included "+
			"(build.network: host)", t.Service)}
	}
	var out []string
	if slices.Contains(t.Build.Entitlements, entitlements.EntitlementNetworkHost.String()) {
		out = append(out,
			fmt.Sprintf("%s: its build steps may use this machine's network, its loopback included "+
				"(build.entitlements: network.host)", t.Service))
	}
	args := buildArgs(t, env)
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if _, reached := env.Steps.Reachable(args[name]); proxyArgument(name) && !reached {
			port, _ := stepnet.LoopbackPort(args[name]) // the rest may hold a password
			out = append(out,
				fmt.Sprintf("%s: its build steps do not reach %s on port %d of this machine's loopback", t.Service,
					name, port)+
					"; go tool mage setup leads them there")
		}
	}
	return out
}

// imageLabels are what Compose puts on the images it builds, so that cleanup can prove whose they are.
func imageLabels(t buildplan.Target, project string) map[string]string {
	labels := maps.Clone(map[string]string(t.Build.Labels))
	if labels == nil {
		labels = map[string]string{}
	}
	labels[container.ProjectLabel], labels[container.ServiceLabel] = project, t.Key
	return labels
}

// AddAttestations adds the attestations that a pushed image gets: what its build section says, else, where all are
// wanted, provenance and SBOM.
func (q Request) AddAttestations(t buildplan.Target, all bool) {
	addAttestations(t, q.FrontendAttrs, all)
}

func addAttestations(t buildplan.Target, attrs map[string]string, all bool) {
	for _, a := range []struct{ kind, says, otherwise string }{
		{"provenance", t.Build.Provenance, "mode=max"}, {"sbom", t.Build.SBOM, ""},
	} {
		switch {
		case a.says == "" && all:
			attrs["attest:"+a.kind] = a.otherwise
		case a.says == "" || a.says == "false":
		case a.says == "true":
			attrs["attest:"+a.kind] = ""
		default:
			attrs["attest:"+a.kind] = a.says
		}
	}
}
