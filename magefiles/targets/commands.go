package targets

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

// kind is what an option takes.
type kind int

const (
	aFlag     kind = iota // nothing, or a boolean after "="
	aText                 // any words
	aList                 // names, separated by commas
	aDuration             // 5s, 2m
)

// command is what the command line has to know of a target before Mage runs it.
type command struct {
	services bool            // service names may follow it
	values   []string        // the words that it needs, which are neither targets nor services
	options  map[string]kind // by their name on the command line
}

// commands holds every target. TestEveryTargetIsKnown and TestEveryOptionIsKnown hold it against what Mage lists.
var commands = map[string]command{
	"build": {services: true, options: options{
		"services": aList, "no-cache": aFlag, "pull": aFlag, "fail-fast": aFlag, "push": aFlag, "attest": aFlag,
		"platform": aText, "progress": aText, "json": aFlag, "dry-run": aFlag,
	}},
	"check": {services: true, options: options{"services": aList, "json": aFlag}},
	"cleanup": {options: options{
		"scope": aText, "keep": aText, "volumes": aList, "images": aList, "take-over": aFlag, "json": aFlag, "dry-run": aFlag,
	}},
	"explain": {services: true, options: options{"services": aList}},
	"fit":     {services: true, options: options{"services": aList, "json": aFlag}},
	"full":    {services: true, options: options{"services": aList}},
	"lint":    {},
	"lock":    {options: options{"check": aFlag}},
	"logs":    {services: true, options: options{"services": aList, "follow": aFlag, "tail": aText, "since": aText}},
	"menu":    {},
	"models":  {values: []string{"model"}, options: options{"sum": aText, "service": aText, "volume": aText}},
	"monitor": {services: true, options: options{"services": aList, "watch": aFlag, "every": aDuration, "disk": aFlag, "json": aFlag}},
	"restart": {services: true, options: options{
		"services": aList, "all": aFlag, "rolling": aFlag, "timeout": aDuration, "take-over": aFlag, "json": aFlag, "dry-run": aFlag,
	}},
	"setup": {options: options{"dry-run": aFlag}},
	"smoke": {},
	"start": {services: true, options: options{
		"services": aList, "timeout": aDuration, "remove-orphans": aFlag, "take-over": aFlag, "json": aFlag, "dry-run": aFlag,
	}},
	"status":   {services: true, options: options{"services": aList, "json": aFlag}},
	"stop":     {services: true, options: options{"services": aList, "take-over": aFlag}},
	"teardown": {},
	"test":     {},
}

type options = map[string]kind

// targetNames gives the targets by name.
func targetNames() []string { return slices.Sorted(maps.Keys(commands)) }

// option finds an option whatever its dashes and capitals: dry-run, dryrun and dryRun are one.
func (c command) option(name string) (known string, k kind, ok bool) {
	for known, k := range c.options {
		if plain(known) == plain(name) {
			return known, k, true
		}
	}
	return "", 0, false
}

// plain is an option's name as Mage compares it.
func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "-", "")) }

// dashed is the name of an option on the command line, from that of its Go parameter: dryRun is dry-run.
func dashed(parameter string) string {
	var b strings.Builder
	for i, r := range parameter {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// otherWords are commands of docker, docker compose and the like, with what does that here.
var otherWords = map[string]string{
	"attach":   "docker compose attach",
	"bake":     "go tool mage build",
	"clean":    "go tool mage cleanup",
	"config":   "go tool mage fit, or docker compose config",
	"cp":       "docker compose cp",
	"create":   "go tool mage start",
	"df":       "go tool mage monitor -disk",
	"doctor":   "go tool mage check",
	"down":     "go tool mage stop, or docker compose down, which removes the containers",
	"events":   "docker compose events",
	"exec":     "docker compose exec",
	"health":   "go tool mage status",
	"help":     "go tool mage -l, then go tool mage start -h",
	"images":   "go tool mage monitor -disk",
	"kill":     "go tool mage stop",
	"list":     "go tool mage -l",
	"ls":       "go tool mage status",
	"networks": "go tool mage monitor -disk",
	"pause":    "docker compose pause",
	"port":     "go tool mage status",
	"prune":    "go tool mage cleanup",
	"ps":       "go tool mage status",
	"pull":     "docker compose pull, or go tool mage build -pull",
	"push":     "go tool mage build -push",
	"rebuild":  "go tool mage build -no-cache",
	"reload":   "go tool mage restart",
	"rm":       "go tool mage cleanup",
	"run":      "docker compose run",
	"scale":    "go tool mage start, with scale in the Compose file",
	"stats":    "go tool mage monitor",
	"tail":     "go tool mage logs -follow",
	"top":      "go tool mage monitor",
	"unpause":  "docker compose unpause",
	"up":       "go tool mage start",
	"validate": "go tool mage check",
	"version":  "go tool mage -version",
	"volumes":  "go tool mage monitor -disk",
	"wait":     "go tool mage start",
	"watch":    "go tool mage monitor -watch",
}

// otherOptions are options of docker compose, by target, and of Mage, for all, with what does that here; %s is the target.
var otherOptions = map[string]string{
	"logs f":               "go tool mage logs -follow",
	"logs n":               "go tool mage logs -tail=100",
	"start build":          "go tool mage build start",
	"start d":              "go tool mage start: it leaves the services running",
	"start detach":         "go tool mage start: it leaves the services running",
	"start force-recreate": "go tool mage restart -all",
	"start wait":           "go tool mage start: it waits until all is healthy",
	"t":                    "go tool mage -t 30s %s",
	"v":                    "go tool mage -v %s",
	"verbose":              "go tool mage -v %s",
	"w":                    "go tool mage -w DIRECTORY %s",
}
