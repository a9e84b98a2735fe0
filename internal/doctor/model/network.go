package model

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// host is where a word has the address of another machine: before a port, or in a URL.
var host = regexp.MustCompile(`^(?:\w+://)?(?:[^/@]*@)?([a-zA-Z0-9][a-zA-Z0-9_.-]*)(:[0-9]{2,5})?(?:[/?]|$)`)

// networkApart finds a service whose variables have the address of another service that is in none of its networks: the
// name is known to nobody there.
func networkApart(l Look) []check.Finding {
	byName := map[string]types.ServiceConfig{}
	for _, s := range l.services() {
		byName[s.Name] = s
	}
	var out []check.Finding
	for _, s := range l.services() {
		if !ownNetworks(s) || len(s.ExtraHosts) > 0 {
			continue
		}
		for _, variable := range slices.Sorted(maps.Keys(s.Environment)) {
			value := s.Environment[variable]
			if value == nil {
				continue
			}
			for _, name := range hosts(*value) {
				other, is := byName[name]
				if !is || name == s.Name || !ownNetworks(other) || meets(l.Project, s, other) {
					continue
				}
				out = append(out, check.Warn("network.apart", "a network that has both, under networks: of "+
					fault.Quote(s.Name, name),
					"its variable %s has the address of %s, and the two share no network", variable, name).
					Of(s.Name).At(l.at(s.Name, "environment", variable), l.at(s.Name, "networks")).
					Because("a service's name is known within its networks alone"))
			}
		}
	}
	return out
}

// hosts are the hosts in a text that have a port or are of a URL.
func hosts(text string) []string {
	var out []string
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(",; \t\n", r) }) {
		m := host.FindStringSubmatch(word)
		if m != nil && (m[2] != "" || strings.Contains(word, "://")) && !slices.Contains(out, m[1]) {
			out = append(out, m[1])
		}
	}
	return out
}

// ownNetworks says whether a service is in networks of the project, and not in another's or the host's.
func ownNetworks(s types.ServiceConfig) bool {
	return s.NetworkMode == "" && len(s.Networks) > 0 && len(s.Links) == 0 && len(s.ExternalLinks) == 0
}

// meets says whether two services share a network, or other containers of another network's may have the name.
func meets(project *types.Project, a, b types.ServiceConfig) bool {
	for key := range a.Networks {
		if _, both := b.Networks[key]; both || bool(project.Networks[key].External) {
			return true
		}
		for _, other := range project.ServiceNames() {
			n := project.Services[other].Networks[key]
			if n != nil && slices.ContainsFunc(n.Aliases, func(alias string) bool {
				return strings.EqualFold(alias, b.Name)
			}) {
				return true
			}
		}
	}
	return false
}
