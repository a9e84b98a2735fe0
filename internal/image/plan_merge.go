package image

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// merge makes one target of all whose build sections say the same: one solve, one place in the build cache and, since the label that
// names the service is then the same too, one image under all of their names. Which service names it does not hang on the services
// that were selected: the same image comes of building all of them and of building one.
func (p *Plan) merge(project *types.Project, o PlanOptions) {
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
func definition(s types.ServiceConfig, o PlanOptions) string {
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
