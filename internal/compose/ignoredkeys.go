package compose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
)

// IgnoredKey is a key of the Compose files that has no effect on an engine: neither docker compose nor the targets
// act on the key.
type IgnoredKey struct {
	Service string `json:"service,omitempty"` // "" for a key of the project
	// below the service, or the project: "deploy.placement", "secrets.token.labels"
	Path   string `json:"path"`
	Reason string `json:"reason"`
	Where  string `json:"where,omitempty"` // file:line; "" where the key is in none of the project's own files
}

// String gives the key on one line: "compose.yaml:7: web: deploy.placement is only honored by the Swarm scheduler".
func (u IgnoredKey) String() string {
	var parts []string
	for _, p := range []string{u.Where, u.Service} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	text := u.Reason
	if !strings.Contains(text, lastPathKey(u.Path)) {
		text = u.Path + ": " + text
	}
	return strings.Join(append(parts, text), ": ")
}

// ignoredKeys joins the keys that Compose's library reports with those that the library ignores without a word, by
// service and path.
func ignoredKeys(project *types.Project, files []string, found []api.UnsupportedAttribute) []IgnoredKey {
	var out []IgnoredKey
	for _, f := range append(slices.Clone(found), unreportedKeys(project)...) {
		out = append(out, IgnoredKey{Service: f.Service, Path: f.Path, Reason: f.Reason, Where: keyLine(files, f)})
	}
	slices.SortFunc(out, func(a, b IgnoredKey) int {
		return strings.Compare(a.Service+"\x00"+a.Path, b.Service+"\x00"+b.Path)
	})
	return slices.Compact(out)
}

// unreportedKeys finds the keys that the Compose types have and of which the library neither makes something nor says
// anything. TestEveryKeyIsDecided holds the list.
func unreportedKeys(project *types.Project) []api.UnsupportedAttribute {
	var out []api.UnsupportedAttribute
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		say := func(set bool, path, reason string) {
			if set {
				out = append(out, api.UnsupportedAttribute{Service: name, Path: path, Reason: reason})
			}
		}
		say(s.PullRefreshAfter != "", "pull_refresh_after",
			"docker compose does not read it; pull_policy: every_… says how old an image may be")
		for _, p := range s.Ports {
			say(p.AppProtocol != "", fmt.Sprintf("ports[%d/%s].app_protocol", p.Target, p.Protocol),
				"an engine publishes bytes and does not look into them")
		}
		ignoredDeploy(s.Deploy, say)
	}
	return out
}

func ignoredDeploy(d *types.DeployConfig, say func(set bool, path, reason string)) {
	if d == nil {
		return
	}
	if p := d.RestartPolicy; p != nil {
		say(p.Delay != nil, "deploy.restart_policy.delay",
			"an engine restarts after 0.1 s, then twice as long each time")
		say(p.Window != nil, "deploy.restart_policy.window", "an engine counts a start of 10 s as one that went well")
	}
	const generic = "only a Swarm reserves generic resources"
	if r := d.Resources.Limits; r != nil {
		say(len(r.GenericResources) > 0, "deploy.resources.limits.generic_resources", generic)
	}
	if r := d.Resources.Reservations; r != nil {
		say(len(r.GenericResources) > 0, "deploy.resources.reservations.generic_resources", generic)
	}
}

// keyLine is the file:line of a key, or of as much of its path as the files have; "" where they have not even its
// service.
func keyLine(files []string, f api.UnsupportedAttribute) string {
	path, _, _ := strings.Cut(f.Path, "[")
	keys := strings.Split(path, ".")
	if f.Service != "" {
		keys = append([]string{"services", f.Service}, keys...)
	}
	return LineOf(files, keys)
}

func lastPathKey(path string) string { return path[strings.LastIndex(path, ".")+1:] }
