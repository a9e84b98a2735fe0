package buildplan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// merge makes one target of all targets whose build sections say the same: one solve, one place in the build cache
// and, since the label that names the service is then the same too, one image under all of their names. Which service
// the label names does not hang on the services that were selected, so that building all of them and building one of
// them give the same image.
func (p *Plan) merge(project *types.Project, o Options) {
	keys := map[string]string{} // the first service's name by definition
	all := maps.Clone(project.DisabledServices)
	if all == nil {
		all = types.Services{}
	}
	maps.Copy(all, project.Services)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		d := definition(all[name], o)
		if _, ok := keys[d]; !ok {
			keys[d] = name
		}
	}
	var merged []Target
	for _, t := range p.Targets {
		t.Key = keys[definition(all[t.Service], o)]
		t.CacheImage = p.Project + "/" + strings.ToLower(t.Key)
		i := slices.IndexFunc(merged, func(other Target) bool { return other.Key == t.Key })
		if i < 0 {
			merged = append(merged, t)
			continue
		}
		merged[i].Services = append(merged[i].Services, t.Service)
		for _, name := range t.Names {
			if !slices.Contains(merged[i].Names, name) {
				merged[i].Names = append(merged[i].Names, name)
			}
		}
	}
	p.Targets = merged
}

// definition is all that a service's image is made of but its names.
func definition(s types.ServiceConfig, o Options) string {
	if s.Build == nil {
		return "none: " + s.Name
	}
	b := *s.Build
	b.Tags = nil
	text, err := json.Marshal(struct {
		Build    types.BuildConfig
		Platform string
		Unpushed bool // a service that names no image is not pushed
	}{b, s.Platform, o.Push && s.Image == ""}) // keys in order
	if err != nil {
		return "alone: " + s.Name
	}
	return string(text)
}

// defaultPlatform names the platform of services that say none.
const defaultPlatform = "DOCKER_DEFAULT_PLATFORM"

// platform gives what a service's image is built for, by docker compose's rules (cmd/compose/options.go,
// applyPlatforms): what the service runs on; else, of an image that is pushed, all that the build section lists; else
// the one that it lists. An engine is given one platform: of several listed ones the builder's own, as docker compose
// up does.
func platform(project *types.Project, s types.ServiceConfig, o Options) (string, error) {
	if o.Platforms != "" {
		return o.Platforms, nil
	}
	listed, runs := s.Build.Platforms, s.Platform
	if preset := project.Environment[defaultPlatform]; runs == "" && preset != "" {
		if len(listed) > 0 && !slices.Contains(listed, preset) {
			return "",
				fmt.Errorf("building %q: %s=%s is not among its build.platforms (%s)", s.Name, defaultPlatform, preset,
					strings.Join(listed, ", "))
		}
		runs = preset
	}
	if runs != "" && len(listed) > 0 && !slices.Contains(listed, runs) {
		return "",
			fmt.Errorf("building %q: its platform %s is not among its build.platforms (%s)", s.Name, runs,
				strings.Join(listed, ", "))
	}
	switch {
	case o.Push && len(listed) > 0:
		return strings.Join(listed, ","), nil
	case runs != "":
		return runs, nil
	case len(listed) == 1:
		return listed[0], nil
	}
	return "", nil
}
