// Package extension owns x-compose-mage, the one key under which a Compose file says something to the targets: on the
// project, a service, a volume or a secret. The package reads the key from a loaded project and refuses
// what the key can't mean. What a target does with an answer (limits, secrets, smoke tests) is the target's.
package extension

import (
	"bytes"
	"reflect"
	"regexp"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"
)

// Key is the key in a Compose file. docker compose ignores it.
const Key = "x-compose-mage"

// The former keys, free for anybody to use: they are taken for ours where their values can be nobody else's.
const (
	formerRuntime  = "x-runtime"
	formerGenerate = "x-generate"
	formerSmoke    = "x-smoke"
)

// onProject is what the key may hold on the project.
type onProject struct {
	Smoke *Smoke         `yaml:"smoke"`
	Needs map[string]any `yaml:"needs"` // of the machine, as readNeeds has it
	// Alerts are those who are told of what is wrong and lasts.
	Alerts []Alert `yaml:"alerts"`
	// Nodes are the addresses of the engines of a Swarm's nodes, by the nodes' host names.
	Nodes map[string]string `yaml:"nodes"`
	// Endpoint is how the services of a deployed stack are found: "vip" or "dnsrr"; "" is as this machine's kernel can.
	Endpoint string   `yaml:"endpoint"`
	Backup   *Backups `yaml:"backup"`
	Doctor   *Doctor  `yaml:"doctor"`
}

// onService is what the key may hold on a service.
type onService struct {
	Runtime nameList `yaml:"runtime"`
	Ready   string   `yaml:"ready"`   // readyPort or readyStarted
	Answers *Answers `yaml:"answers"` // nil where monitor asks a published port, if there is one
	Backup  *Backup  `yaml:"backup"`
	Doctor  *Doctor  `yaml:"doctor"`
	Heal    bool     `yaml:"heal"` // heal restarts it while it is unhealthy
}

// When a service without a health check is ready.
const (
	readyPort    = "port"    // the service accepts connections on one of the TCP ports that it publishes; the default
	readyStarted = "started" // its container runs
)

// onSecret is what the key may hold on a secret.
type onSecret struct {
	Generate *string `yaml:"generate"`
}

// onVolume is what the key may hold on a volume.
type onVolume struct {
	Backup *bool `yaml:"backup"` // whether a backup saves the volume; nil where its label decides
}

// onOthers is what the key may hold on networks and configs: nothing.
type onOthers struct{}

// Smoke is the proof that a started stack does its job: a command that is run in a service's container.
type Smoke struct {
	Service string             `yaml:"service"`
	Command []string           `yaml:"command"`
	Timeout time.Duration      `yaml:"timeout"`  // 0 for the default
	AtLeast map[string]float64 `yaml:"at-least"` // field of the command's JSON answer -> least value
}

// nameList is a name or a list of names.
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

// KnownRuntimes are the names that Runtimes may give, sorted.
func KnownRuntimes() []string { return slices.Clone(knownRuntimes) }

// Runtimes gives the runtimes whose settings follow from the service's limits: go, java, node, openmp, python, redis.
func Runtimes(s types.ServiceConfig) []string {
	var e onService
	if decode(s.Extensions[Key], &e) == nil && len(e.Runtime) > 0 {
		return e.Runtime
	}
	if names := formerRuntimes(s); len(names) > 0 && !slices.ContainsFunc(names, unknownRuntime) {
		return names
	}
	return nil
}

// ReadyOnceStarted says whether the Compose file wants no port of the service to be waited for.
func ReadyOnceStarted(s types.ServiceConfig) bool {
	var e onService
	return decode(s.Extensions[Key], &e) == nil && e.Ready == readyStarted
}

// Healed says whether the Compose file wants the service to be restarted while it is unhealthy.
func Healed(s types.ServiceConfig) bool {
	var e onService
	return decode(s.Extensions[Key], &e) == nil && e.Heal
}

func unknownRuntime(name string) bool { return !slices.Contains(knownRuntimes, name) }

// formerRuntimes gives the names under x-runtime, whosever they are.
func formerRuntimes(s types.ServiceConfig) nameList {
	var names nameList
	if decode(s.Extensions[formerRuntime], &names) != nil {
		return nil
	}
	return names
}

// SmokeTest gives the project's smoke test; ok is false where the project has none.
func SmokeTest(project *types.Project) (s Smoke, ok bool) {
	var e onProject
	if decode(project.Extensions[Key], &e) == nil && e.Smoke != nil {
		return *e.Smoke, true
	}
	former, isMap := project.Extensions[formerSmoke].(map[string]any)
	ok = isMap && unknownKey(former, reflect.TypeFor[Smoke](), nil) == nil && decode(former, &s) == nil &&
		s.Service != "" && len(s.Command) > 0
	return s, ok
}

// formerTemplate is a text with random bytes in it, which is what nobody else has under x-generate.
var formerTemplate = regexp.MustCompile(`^[^{}]*(\{hex:\d+\}[^{}]*)+$`)

// Generated gives the template by which setup writes a secret's file where that is missing: {hex:N} is N random bytes
// in hexadecimal. ok is false where the file is not for setup to write.
func Generated(s types.SecretConfig) (template string, ok bool) {
	if s.File == "" {
		return "", false
	}
	var e onSecret
	if decode(s.Extensions[Key], &e) == nil && e.Generate != nil {
		return *e.Generate, true
	}
	template, ok = s.Extensions[formerGenerate].(string)
	return template, ok && (template == "" || formerTemplate.MatchString(template))
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
