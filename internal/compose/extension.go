package compose

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// Extension is the one key under which a Compose file says something to the targets, on the project, a service or a
// secret. docker compose ignores it.
const Extension = "x-compose-mage"

// The keys of before, free for anybody to use: they are taken for ours where their values can be nobody else's.
const (
	oldRuntime  = "x-runtime"
	oldGenerate = "x-generate"
	oldSmoke    = "x-smoke"
)

// projectExtension is what x-compose-mage says of the project.
type projectExtension struct {
	Smoke *Smoke         `yaml:"smoke"`
	Needs map[string]any `yaml:"needs"` // of the machine, as readNeeds has it
}

// serviceExtension is what it says of a service.
type serviceExtension struct {
	Runtime nameList `yaml:"runtime"`
	Ready   string   `yaml:"ready"` // readyPort or readyStarted
}

// When a service without a health check is ready.
const (
	readyPort    = "port"    // it accepts connections on one of the TCP ports that it publishes; the default
	readyStarted = "started" // it runs
)

// secretExtension is what it says of a secret.
type secretExtension struct {
	Generate *string `yaml:"generate"`
}

// noExtension is for what it has nothing to say of.
type noExtension struct{}

// Smoke is the proof that a started stack does its job: a command that is run in a service's container.
type Smoke struct {
	Service string             `yaml:"service"`
	Command []string           `yaml:"command"`
	Timeout time.Duration      `yaml:"timeout"`  // 0 for the default
	AtLeast map[string]float64 `yaml:"at-least"` // field of the command's JSON answer -> least value
}

// nameList is a name or a list of them.
type nameList []string

// UnmarshalYAML reads either.
func (l *nameList) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*l = nameList{n.Value}
		return nil
	}
	return n.Decode((*[]string)(l))
}

var knownRuntimes = []string{"go", "java", "node", "openmp", "python", "redis"}

// Runtimes gives the runtimes whose settings follow from the service's limits: go, java, node, openmp, python, redis.
func Runtimes(s types.ServiceConfig) []string {
	var e serviceExtension
	if decode(s.Extensions[Extension], &e) == nil && len(e.Runtime) > 0 {
		return e.Runtime
	}
	if names := oldRuntimes(s); len(names) > 0 && !slices.ContainsFunc(names, unknownRuntime) {
		return names
	}
	return nil
}

// ReadyOnceStarted says whether the Compose file wants no port of the service to be waited for.
func ReadyOnceStarted(s types.ServiceConfig) bool {
	var e serviceExtension
	return decode(s.Extensions[Extension], &e) == nil && e.Ready == readyStarted
}

func unknownRuntime(name string) bool { return !slices.Contains(knownRuntimes, name) }

// oldRuntimes gives the names under x-runtime, whosever they are.
func oldRuntimes(s types.ServiceConfig) nameList {
	var names nameList
	if decode(s.Extensions[oldRuntime], &names) != nil {
		return nil
	}
	return names
}

// SmokeTest gives the project's smoke test; ok is false where it has none.
func SmokeTest(project *types.Project) (s Smoke, ok bool) {
	var e projectExtension
	if decode(project.Extensions[Extension], &e) == nil && e.Smoke != nil {
		return *e.Smoke, true
	}
	old, isMap := project.Extensions[oldSmoke].(map[string]any)
	ok = isMap && unknownKey(old, reflect.TypeFor[Smoke](), nil) == nil && decode(old, &s) == nil && s.Service != "" && len(s.Command) > 0
	return s, ok
}

// oldTemplate is a text with random bytes in it, which is what nobody else has under x-generate.
var oldTemplate = regexp.MustCompile(`^[^{}]*(\{hex:\d+\}[^{}]*)+$`)

// Generated gives the template by which setup writes a secret's file where that is missing: {hex:N} is N random bytes in
// hexadecimal. ok is false where the file is not for setup to write.
func Generated(s types.SecretConfig) (template string, ok bool) {
	if s.File == "" {
		return "", false
	}
	var e secretExtension
	if decode(s.Extensions[Extension], &e) == nil && e.Generate != nil {
		return *e.Generate, true
	}
	template, ok = s.Extensions[oldGenerate].(string)
	return template, ok && (template == "" || oldTemplate.MatchString(template))
}

// decode reads what a Compose file has under a key of ours into a struct of its shape.
func decode(value, into any) error {
	if value == nil {
		return nil
	}
	text, err := yaml.Marshal(value)
	if err != nil {
		return err
	}
	return yaml.NewDecoder(bytes.NewReader(text)).Decode(into)
}

// place is where something of ours stands in the Compose files: the way to it, and how a person calls that.
type place struct {
	path []string
	who  string // `service "redis"`; empty for the project
	of   types.Extensions
	as   reflect.Type
}

// places are all of the project's, those of inactive services too.
func places(project *types.Project) []place {
	out := []place{{of: project.Extensions, as: reflect.TypeFor[projectExtension]()}}
	add := func(kind, name string, of types.Extensions, as reflect.Type) {
		out = append(out, place{path: []string{kind, name}, who: fmt.Sprintf("%s %q", strings.TrimSuffix(kind, "s"), name), of: of, as: as})
	}
	services := project.AllServices()
	for _, name := range slices.Sorted(maps.Keys(services)) {
		add("services", name, services[name].Extensions, reflect.TypeFor[serviceExtension]())
	}
	for _, name := range slices.Sorted(maps.Keys(project.Secrets)) {
		add("secrets", name, project.Secrets[name].Extensions, reflect.TypeFor[secretExtension]())
	}
	for _, name := range slices.Sorted(maps.Keys(project.Volumes)) {
		add("volumes", name, project.Volumes[name].Extensions, reflect.TypeFor[noExtension]())
	}
	for _, name := range slices.Sorted(maps.Keys(project.Networks)) {
		add("networks", name, project.Networks[name].Extensions, reflect.TypeFor[noExtension]())
	}
	for _, name := range slices.Sorted(maps.Keys(project.Configs)) {
		add("configs", name, project.Configs[name].Extensions, reflect.TypeFor[noExtension]())
	}
	return out
}

// checkExtensions refuses what x-compose-mage can't mean, with the file and line (code Config), and gives a sentence for each old
// key of ours that is in use.
func checkExtensions(project *types.Project, files []string) (notices []string, err error) {
	for _, p := range places(project) {
		if err := p.check(files); err != nil {
			return nil, err
		}
	}
	return oldKeys(project), nil
}

func (p place) check(files []string) error {
	value, has := p.of[Extension]
	if !has || value == nil {
		return nil
	}
	path := append(slices.Clone(p.path), Extension)
	fail := func(path []string, format string, args ...any) error {
		text := fmt.Errorf(format, args...).Error()
		if p.who != "" {
			text = p.who + ": " + text
		}
		if where := LineOf(files, path); where != "" {
			text = where + ": " + text
		}
		return fault.New(fault.Config, fault.Correct, "%s", text)
	}
	keys, isMap := value.(map[string]any)
	if !isMap {
		return fail(path, "%s is a map of keys, not %v", Extension, value)
	}
	if u := unknownKey(keys, p.as, nil); u != nil {
		return fail(append(path, u.path...), "unknown key %q in %s%s", u.path[len(u.path)-1],
			strings.Join(append([]string{Extension}, u.path[:len(u.path)-1]...), "."), fault.DidYouMean(u.path[len(u.path)-1], u.known))
	}
	into := reflect.New(p.as)
	if err := decode(keys, into.Interface()); err != nil {
		return fail(path, "%s: %s", Extension, strings.TrimPrefix(afterLast(err.Error(), "\n"), " "))
	}
	switch e := into.Elem().Interface().(type) {
	case projectExtension:
		if e.Smoke != nil && (e.Smoke.Service == "" || len(e.Smoke.Command) == 0) {
			return fail(append(path, "smoke"), "%s.smoke needs a service and a command", Extension)
		}
		if _, key, err := readNeeds(e.Needs); err != nil {
			return fail(append(path, "needs", key), "%s.needs.%s: %w", Extension, key, err)
		}
	case serviceExtension:
		if i := slices.IndexFunc(e.Runtime, unknownRuntime); i >= 0 {
			return fail(append(path, "runtime"), "unknown runtime %q%s; there are %s", e.Runtime[i],
				fault.DidYouMean(e.Runtime[i], knownRuntimes), strings.Join(knownRuntimes, ", "))
		}
		if known := []string{"", readyPort, readyStarted}; !slices.Contains(known, e.Ready) {
			return fail(append(path, "ready"), "%s.ready: %q is neither %s nor %s%s", Extension, e.Ready, readyPort, readyStarted,
				fault.DidYouMean(e.Ready, known[1:]))
		}
	}
	return nil
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
		below, isMap := keys[key].(map[string]any)
		if field.Kind() == reflect.Struct && isMap {
			if u := unknownKey(below, field, append(slices.Clone(path), key)); u != nil {
				return u
			}
		}
	}
	return nil
}

// oldKeys says which keys of before are in use, and which look like ours and are not taken for it.
func oldKeys(project *types.Project) []string {
	var services, secrets, notices []string
	for _, name := range slices.Sorted(maps.Keys(project.AllServices())) {
		s := project.AllServices()[name]
		old := oldRuntimes(s)
		switch i := slices.IndexFunc(old, unknownRuntime); {
		case len(old) == 0 || s.Extensions[Extension] != nil:
		case i < 0:
			services = append(services, name)
		case len(old) > 1 || fault.Nearest(old[i], knownRuntimes) != "":
			notices = append(notices, fmt.Sprintf("%s: %s is left alone, since %q is no runtime%s; what is for the targets stands under %s",
				name, oldRuntime, old[i], fault.DidYouMean(old[i], knownRuntimes), Extension))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(project.Secrets)) {
		s := project.Secrets[name]
		if _, has := s.Extensions[oldGenerate]; !has || s.Extensions[Extension] != nil {
			continue
		}
		if _, ours := Generated(s); ours {
			secrets = append(secrets, name)
		}
	}
	say := func(key, now string, users []string) {
		if len(users) > 0 {
			notices = append(notices, fmt.Sprintf("%s (%s) is spelled %s: {%s} now; the old key still works", key, strings.Join(users, ", "), Extension, now))
		}
	}
	say(oldRuntime, "runtime: […]", services)
	say(oldGenerate, "generate: …", secrets)
	if _, has := project.Extensions[oldSmoke]; has && project.Extensions[Extension] == nil {
		if _, ours := SmokeTest(project); ours {
			say(oldSmoke, "smoke: …", []string{"top level"})
		}
	}
	return notices
}
