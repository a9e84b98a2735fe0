package fix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	composelibrary "github.com/docker/compose/v5/pkg/compose"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/fit"
)

// proved loads the model with the texts as a fix wants them, and refuses the fix where they do not load, or the model
// differs in more than the keys of its edits, or not at all. The fix gets the services that a start makes anew for it.
func (p *planner) proved(ctx context.Context, f *Fix, texts map[string]content) (*compose.Model, error) {
	instead := map[string][]byte{}
	for path, c := range texts {
		if slices.Contains(p.Model.Files, path) {
			instead[path] = c.after
		}
	}
	if len(instead) == 0 {
		return p.model, nil
	}
	model, err := p.Load(ctx, instead)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, refuse("the files would not load: %s", check.FirstLine(err))
	}
	paths, err := differences(p.model.Project, model.Project)
	if err != nil {
		return nil, err
	}
	changes := slices.Concat(p.model.Changes, model.Changes)
	for _, path := range paths {
		if !slices.ContainsFunc(f.finding.Edits, func(e check.Edit) bool {
			return concerns(e, path) || follows(e, path, changes)
		}) {
			return nil, refuse("it would change %s too", strings.Join(path, "."))
		}
	}
	for _, e := range f.finding.Edits {
		if inModel(e) && !slices.ContainsFunc(paths, func(path []string) bool { return concerns(e, path) }) {
			return nil, refuse("another place of the files overrides %s", strings.Join(e.Path, "."))
		}
	}
	f.Recreate, f.hashes, err = recreated(p.model.Project, model.Project)
	for _, service := range f.Recreate {
		if !slices.ContainsFunc(f.finding.Edits, func(e check.Edit) bool { return serviceOf(e) == service }) {
			return nil, errors.Join(err, refuse("it would have %s made anew too", service))
		}
	}
	return model, err
}

// serviceOf gives the service that an edit is of; "" for none.
func serviceOf(e check.Edit) string {
	if len(e.Path) > 1 && e.Path[0] == "services" {
		return e.Path[1]
	}
	return ""
}

// inModel says whether the model has what is edited: it has no version, and no service's own x-….
func inModel(e check.Edit) bool {
	return serviceOf(e) != "" && len(e.Path) > 2 && !strings.HasPrefix(e.Path[2], "x-")
}

// concerns says whether a path of the model is one that an edit changes: a service's key, or a key at the top.
func concerns(e check.Edit, path []string) bool {
	n := 1
	if serviceOf(e) != "" {
		n = 3
	}
	return len(e.Path) >= n && len(path) >= n && slices.Equal(e.Path[:n], path[:n])
}

// follows says whether a path of the model differs since fitting to the machine follows what is edited: the settings of
// a service's runtimes, from its limits.
func follows(e check.Edit, path []string, changes []fit.Change) bool {
	return len(path) > 2 && path[0] == "services" && path[1] == serviceOf(e) &&
		slices.ContainsFunc(changes, func(c fit.Change) bool {
			key, _, _ := strings.Cut(strings.Join(path[2:], "."), "[")
			return c.Service == path[1] && (key == c.Key || strings.HasPrefix(c.Key, key+"."))
		})
}

// differences gives the paths at which two projects differ.
func differences(before, after *types.Project) ([][]string, error) {
	old, err := tree(before)
	if err != nil {
		return nil, err
	}
	now, err := tree(after)
	if err != nil {
		return nil, err
	}
	return differing(nil, old, now), nil
}

// tree is a project as JSON has it, the services whose profiles are not active among the others.
func tree(p *types.Project) (map[string]any, error) {
	var whole, all map[string]any
	for _, part := range []struct {
		value any
		into  *map[string]any
	}{{p, &whole}, {p.AllServices(), &all}} {
		data, err := json.Marshal(part.value)
		if err == nil {
			err = json.Unmarshal(data, part.into)
		}
		if err != nil {
			return nil, fmt.Errorf("comparing models: %w", err)
		}
	}
	whole["services"] = all
	return whole, nil
}

func differing(path []string, a, b any) [][]string {
	old, isMap := a.(map[string]any)
	now, both := b.(map[string]any)
	if !isMap || !both {
		if reflect.DeepEqual(a, b) {
			return nil
		}
		return [][]string{path}
	}
	keys := map[string]bool{}
	for key := range old {
		keys[key] = true
	}
	for key := range now {
		keys[key] = true
	}
	var out [][]string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		out = append(out, differing(append(slices.Clone(path), key), old[key], now[key])...)
	}
	return out
}

// recreated gives the services whose configuration's hash differs, by which docker compose knows that a container has
// to be made anew, and both hashes of each as far as people compare them.
func recreated(before, after *types.Project) (services, hashes []string, err error) {
	old := before.AllServices()
	for name, s := range after.AllServices() {
		now, err := composelibrary.ServiceHash(s)
		if err != nil {
			return nil, nil, fmt.Errorf("hashing the model of %q: %w", name, err)
		}
		was, err := composelibrary.ServiceHash(old[name])
		if err != nil {
			return nil, nil, fmt.Errorf("hashing the model of %q: %w", name, err)
		}
		if was != now {
			services = append(services, name)
			hashes = append(hashes, fmt.Sprintf("%s (hash %.8s -> %.8s)", name, was, now))
		}
	}
	slices.Sort(services)
	slices.Sort(hashes)
	return services, hashes, nil
}
