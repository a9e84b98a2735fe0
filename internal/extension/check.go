package extension

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// place is something of a Compose file that may have the key: its path in the file, how a person calls it, and what
// the key may hold.
type place struct {
	path []string
	who  string // `service "redis"`; empty for the project
	of   types.Extensions
	as   reflect.Type
}

// places are the project, and its services (the inactive ones too), secrets, volumes, networks and configs.
func places(project *types.Project) []place {
	out := []place{{of: project.Extensions, as: reflect.TypeFor[onProject]()}}
	add := func(kind, name string, of types.Extensions, as reflect.Type) {
		who := fmt.Sprintf("%s %q", strings.TrimSuffix(kind, "s"), name)
		out = append(out, place{path: []string{kind, name}, who: who, of: of, as: as})
	}
	services := project.AllServices()
	for _, name := range slices.Sorted(maps.Keys(services)) {
		add("services", name, services[name].Extensions, reflect.TypeFor[onService]())
	}
	for _, name := range slices.Sorted(maps.Keys(project.Secrets)) {
		add("secrets", name, project.Secrets[name].Extensions, reflect.TypeFor[onSecret]())
	}
	for _, name := range slices.Sorted(maps.Keys(project.Volumes)) {
		add("volumes", name, project.Volumes[name].Extensions, reflect.TypeFor[onVolume]())
	}
	for _, name := range slices.Sorted(maps.Keys(project.Networks)) {
		add("networks", name, project.Networks[name].Extensions, reflect.TypeFor[onOthers]())
	}
	for _, name := range slices.Sorted(maps.Keys(project.Configs)) {
		add("configs", name, project.Configs[name].Extensions, reflect.TypeFor[onOthers]())
	}
	return out
}

// Check refuses what the key can't mean (code Config), and gives a sentence for each former key of ours that is in
// use. lineOf gives the file:line of a path in the Compose files ("services", "app", "x-compose-mage"), "" where
// there is none.
func Check(project *types.Project, lineOf func(path []string) string) (notices []string, err error) {
	for _, p := range places(project) {
		if err := p.check(project, lineOf); err != nil {
			return nil, err
		}
	}
	return formerKeys(project), nil
}

func (p place) check(project *types.Project, lineOf func(path []string) string) error {
	value, has := p.of[Key]
	if !has || value == nil {
		return nil
	}
	path := append(slices.Clone(p.path), Key)
	fail := func(path []string, format string, args ...any) error {
		text := fmt.Errorf(format, args...).Error()
		if p.who != "" {
			text = p.who + ": " + text
		}
		if where := lineOf(path); where != "" {
			text = where + ": " + text
		}
		return fault.New(fault.Config, fault.Correct, "%s", text)
	}
	keys, isMap := value.(map[string]any)
	if !isMap {
		return fail(path, "%s is a map of keys, not %v", Key, value)
	}
	if u := unknownKey(keys, p.as, nil); u != nil {
		return fail(append(path, u.path...), "unknown key %q in %s%s", u.path[len(u.path)-1],
			strings.Join(append([]string{Key}, u.path[:len(u.path)-1]...), "."),
			fault.DidYouMean(u.path[len(u.path)-1], u.known))
	}
	into := reflect.New(p.as)
	if err := decode(keys, into.Interface()); err != nil {
		lines := strings.Split(err.Error(), "\n") // the last says what does not fit; a heading may come before
		return fail(path, "%s: %s", Key, strings.TrimSpace(lines[len(lines)-1]))
	}
	var (
		below []string
		err   error
	)
	switch e := into.Elem().Interface().(type) {
	case onProject:
		below, err = e.check(project)
	case onService:
		below, err = e.check()
	}
	if err != nil {
		return fail(append(path, below...), "%w", err)
	}
	return nil
}

// checkNodes gives the first node, by name, whose address is wrong.
func checkNodes(nodes map[string]string) (name string, err error) {
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if err := CheckNode(nodes[name]); err != nil {
			return name, err
		}
	}
	return "", nil
}

// check says what is wrong with the key on a project, and the keys that lead to it.
func (e onProject) check(project *types.Project) (keys []string, err error) {
	if e.Smoke != nil && (e.Smoke.Service == "" || len(e.Smoke.Command) == 0) {
		return []string{"smoke"}, fmt.Errorf("%s.smoke needs a service and a command", Key)
	}
	if _, key, err := readNeeds(e.Needs); err != nil {
		return []string{"needs", key}, fmt.Errorf("%s.needs.%s: %w", Key, key, err)
	}
	if e.Backup != nil {
		if err := e.Backup.check(); err != nil {
			return []string{"backup"}, fmt.Errorf("%s.backup: %w", Key, err)
		}
	}
	if keys, err := e.Doctor.check(); err != nil {
		return keys, err
	}
	if name, err := checkNodes(e.Nodes); err != nil {
		return []string{"nodes", name}, fmt.Errorf("%s.nodes.%s: %w", Key, name, err)
	}
	if e.Endpoint != "" && !slices.Contains(endpoints, e.Endpoint) {
		return []string{"endpoint"}, fmt.Errorf("%s.endpoint: %q is neither vip nor dnsrr%s", Key, e.Endpoint,
			fault.DidYouMean(e.Endpoint, endpoints))
	}
	for i, a := range e.Alerts {
		if p := a.check(project); p != nil {
			keys := append([]string{"alerts", strconv.Itoa(i)}, p.path...)
			return keys, fmt.Errorf("%s.%s %s", Key, strings.Join(keys, "."), p.text)
		}
	}
	return nil, nil
}

// check says what is wrong with the key on a service, and the keys that lead to it.
func (e onService) check() (keys []string, err error) {
	if i := slices.IndexFunc(e.Runtime, unknownRuntime); i >= 0 {
		return []string{"runtime"}, fmt.Errorf("unknown runtime %q%s; there are %s", e.Runtime[i],
			fault.DidYouMean(e.Runtime[i], knownRuntimes), strings.Join(knownRuntimes, ", "))
	}
	if known := []string{"", readyPort, readyStarted}; !slices.Contains(known, e.Ready) {
		return []string{"ready"}, fmt.Errorf("%s.ready: %q is neither %s nor %s%s", Key, e.Ready, readyPort,
			readyStarted, fault.DidYouMean(e.Ready, known[1:]))
	}
	if e.Answers != nil {
		if err := e.Answers.check(); err != nil {
			return []string{"answers"}, fmt.Errorf("%s.answers: %w", Key, err)
		}
	}
	if e.Backup != nil {
		if err := e.Backup.check(); err != nil {
			return []string{"backup"}, fmt.Errorf("%s.backup: %w", Key, err)
		}
	}
	return e.Doctor.check()
}

// unknown is a key that a struct does not have.
type unknown struct {
	path  []string // to it, from the map that was looked at
	known []string
}

// unknownKey finds the first key, by name, for which the struct t has no field, in structs below it too.
func unknownKey(keys map[string]any, t reflect.Type, path []string) *unknown {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		fields[t.Field(i).Tag.Get("yaml")] = t.Field(i).Type
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		field, ok := fields[key]
		if !ok {
			return &unknown{path: append(slices.Clone(path), key), known: slices.Sorted(maps.Keys(fields))}
		}
		if field.Kind() == reflect.Pointer {
			field = field.Elem()
		}
		at := append(slices.Clone(path), key)
		if below, isMap := keys[key].(map[string]any); field.Kind() == reflect.Struct && isMap {
			if u := unknownKey(below, field, at); u != nil {
				return u
			}
		}
		list, isList := keys[key].([]any)
		if !isList || field.Kind() != reflect.Slice || field.Elem().Kind() != reflect.Struct {
			continue
		}
		for i, one := range list {
			if below, isMap := one.(map[string]any); isMap {
				if u := unknownKey(below, field.Elem(), append(slices.Clone(at), strconv.Itoa(i))); u != nil {
					return u
				}
			}
		}
	}
	return nil
}

// formerKeys gives a sentence for each former key of ours that is in use, and for each that looks like ours and is
// not taken for it.
func formerKeys(project *types.Project) []string {
	var services, secrets, notices []string
	for _, name := range slices.Sorted(maps.Keys(project.AllServices())) {
		s := project.AllServices()[name]
		former := formerRuntimes(s)
		switch i := slices.IndexFunc(former, unknownRuntime); {
		case len(former) == 0 || s.Extensions[Key] != nil:
		case i < 0:
			services = append(services, name)
		case len(former) > 1 || fault.Nearest(former[i], knownRuntimes) != "":
			notices = append(notices, fmt.Sprintf(
				"%s: %s is left alone, since %q is no runtime%s; what is for the targets stands under %s",
				name, formerRuntime, former[i], fault.DidYouMean(former[i], knownRuntimes), Key))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(project.Secrets)) {
		s := project.Secrets[name]
		if _, has := s.Extensions[formerGenerate]; !has || s.Extensions[Key] != nil {
			continue
		}
		if _, ours := Generated(s); ours {
			secrets = append(secrets, name)
		}
	}
	say := func(key, now string, users []string) {
		if len(users) > 0 {
			notices = append(notices, fmt.Sprintf("%s (%s) is spelled %s: {%s} now; the old key still works",
				key, strings.Join(users, ", "), Key, now))
		}
	}
	say(formerRuntime, "runtime: […]", services)
	say(formerGenerate, "generate: …", secrets)
	if _, has := project.Extensions[formerSmoke]; has && project.Extensions[Key] == nil {
		if _, ours := SmokeTest(project); ours {
			say(formerSmoke, "smoke: …", []string{"top level"})
		}
	}
	return notices
}
