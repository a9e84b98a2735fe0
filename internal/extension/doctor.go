package extension

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Doctor is what the key says to doctor, on the project or a service.
type Doctor struct {
	Ignore map[string]string `yaml:"ignore"` // the reason, by the id of the findings that are not to be told
}

// Ignore is one kind of finding that the Compose file does not want to be told.
type Ignore struct {
	ID      string
	Reason  string
	Service string // "" for the whole project
}

// Ignores gives what doctor is not to tell: the project's, then those of the services that are active, by name.
func Ignores(project *types.Project) []Ignore {
	var all []Ignore
	add := func(d *Doctor, service string) {
		if d == nil {
			return
		}
		for _, id := range slices.Sorted(maps.Keys(d.Ignore)) {
			all = append(all, Ignore{ID: id, Reason: d.Ignore[id], Service: service})
		}
	}
	var p onProject
	if decode(project.Extensions[Key], &p) == nil {
		add(p.Doctor, "")
	}
	for _, name := range project.ServiceNames() {
		var s onService
		if decode(project.Services[name].Extensions[Key], &s) == nil {
			add(s.Doctor, name)
		}
	}
	return all
}

// check says what is wrong with the key, and the keys that lead to it. Whether an id is one, doctor says.
func (d *Doctor) check() (keys []string, err error) {
	if d == nil {
		return nil, nil
	}
	for _, id := range slices.Sorted(maps.Keys(d.Ignore)) {
		if strings.TrimSpace(d.Ignore[id]) == "" {
			return []string{"doctor", "ignore", id},
				fmt.Errorf("%s.doctor.ignore.%s needs a reason, such as: its client retries", Key, id)
		}
	}
	return nil, nil
}
