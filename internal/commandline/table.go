package commandline

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// Kind is what an option takes.
type Kind int

// The kinds of options.
const (
	Flag     Kind = iota // nothing, or a boolean after "="
	Text                 // any words
	List                 // names, separated by commas
	Duration             // 5s, 2m
)

// Options are the kinds of a target's options, by their name on the command line: dry-run.
type Options = map[string]Kind

// Command is what the command line has to know of a target before Mage runs it.
type Command struct {
	Services bool     // service names may follow it
	Jobs     []string // these words may follow it, whatever else they name: they are its option -jobs
	Values   []string // names of the words that it needs, which are neither targets nor services
	Options  Options
	Foreign  bool   // it is not one of ours: what is not known of it is left to Mage
	Target   string // whose alias it is; "" for a target itself
}

// Table has the targets that a command line may name.
type Table struct {
	Commands map[string]Command // by name, in lower case, with the namespace before it: db:migrate
	Open     bool               // there may be targets that are not in Commands: what nobody knows is left to Mage
}

// Packages are our packages of targets, by the last element of their path, with their targets. The tests of the
// packages hold them against what Mage lists.
var Packages = map[string]map[string]Command{
	"targets": {
		"backup": {Options: Options{
			"caches": List, "list": Flag, "key": Flag, "drill": Flag, "at": Text, "prune": Flag, "json": Flag,
			"dry-run": Flag,
		}},
		"build": {Services: true, Options: Options{
			"services": List, "no-cache": Flag, "pull": Flag, "fail-fast": Flag, "push": Flag, "attest": Flag,
			"platform": Text, "progress": Text, "json": Flag, "trace": Text, "dry-run": Flag,
		}},
		"check": {Services: true, Options: Options{"services": List, "json": Flag}},
		"cleanup": {Options: Options{
			"scope": Text, "keep": Text, "volumes": List, "images": List, "take-over": Flag, "deployed": Flag,
			"nodes": Text, "remove-stack": Text, "json": Flag, "dry-run": Flag,
		}},
		"deploy": {Options: Options{
			"timeout": Duration, "remove-orphans": Flag, "registry": Text, "nodes": Text, "json": Flag,
			"dry-run": Flag,
		}},
		"doctor": {Services: true, Options: Options{
			"services": List, "fail-on": Text, "fix": Flag, "only": List, "yes": Flag, "markdown": Flag,
			"json": Flag, "dry-run": Flag,
		}},
		"explain": {Services: true, Options: Options{"services": List}},
		"fit": {
			Services: true, Options: Options{
				"services": List, "measured": Flag, "least": Duration, "write": Text, "json": Flag,
			},
		},
		"full": {Services: true, Options: Options{"services": List, "trace": Text}},
		"heal": {Services: true, Options: Options{"services": List}},
		"lock": {Options: Options{"check": Flag}},
		"logs": {Services: true, Options: Options{
			"services": List, "follow": Flag, "tail": Text, "since": Text, "grep": Text, "level": Text, "group": Flag,
			"json": Flag, "deployed": Flag,
		}},
		"menu": {},
		"monitor": {Services: true, Options: Options{
			"services": List, "watch": Flag, "every": Duration, "disk": Flag, "all": Flag, "json": Flag,
			"serve": Flag, "listen": Text, "logs": Flag, "test-alerts": Flag, "since": Duration,
			"deployed": Flag, "nodes": Text,
		}},
		"nodes": {Options: Options{"json": Flag}},
		"restart": {Services: true, Options: Options{
			"services": List, "all": Flag, "rolling": Flag, "timeout": Duration, "take-over": Flag, "deployed": Flag,
			"json": Flag, "trace": Text, "dry-run": Flag,
		}},
		"restore": {Options: Options{
			"volumes": List, "at": Text, "swap": Flag, "file": List, "from": Text, "project": Text,
		}},
		"schedule": {Jobs: []string{"cleanup", "backup", "drill", "monitor", "heal"}, Options: Options{
			"jobs": List, "at": Text, "remove": Flag, "run": Text, "json": Flag, "dry-run": Flag,
		}},
		"setup": {Options: Options{"backup": Flag, "dry-run": Flag}},
		"smoke": {},
		"start": {Services: true, Options: Options{
			"services": List, "timeout": Duration, "remove-orphans": Flag, "take-over": Flag, "json": Flag,
			"trace": Text, "dry-run": Flag,
		}},
		"status":   {Services: true, Options: Options{"services": List, "all": Flag, "deployed": Flag, "json": Flag}},
		"stop":     {Services: true, Options: Options{"services": List, "take-over": Flag, "deployed": Flag}},
		"teardown": {},
	},
	"self": {"lint": {}, "test": {}},
	"voice": {
		"models": {Values: []string{"model"}, Options: Options{"sum": Text, "service": Text, "volume": Text}},
	},
}

// Everything is a table of all our targets, for a magefile whose sources are not there.
func Everything() Table {
	t := Table{Commands: map[string]Command{}, Open: true}
	for _, commands := range Packages {
		maps.Copy(t.Commands, commands)
	}
	return t
}

// names gives the targets by name.
func (t Table) names() []string { return slices.Sorted(maps.Keys(t.Commands)) }

// has says whether the table knows the target, whatever its capitals.
func (t Table) has(word string) bool {
	_, known := t.Commands[strings.ToLower(word)]
	return known
}

// didYouMean gives the words that name the target most like the word; "" where none is near. The same name in a
// namespace is.
func (t Table) didYouMean(word string) string {
	for _, name := range t.names() {
		if strings.HasSuffix(name, namespace+strings.ToLower(word)) {
			return fault.DidYouMean(name, []string{name})
		}
	}
	return fault.DidYouMean(word, t.names())
}

// option finds an option whatever its dashes and capitals: dry-run, dryrun and dryRun are one.
func (c Command) option(name string) (known string, k Kind, ok bool) {
	for known, k := range c.Options {
		if plain(known) == plain(name) {
			return known, k, true
		}
	}
	return "", 0, false
}

// plain is an option's name as Mage compares it.
func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "-", "")) }

// Dashed is the name of an option on the command line, from that of its Go parameter: dryRun is dry-run.
func Dashed(parameter string) string {
	var b strings.Builder
	for i, r := range parameter {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
