package commandline

import (
	"errors"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// ours is the table of this repository's magefile.
var ours = Table{Commands: Everything().Commands}

// stackOf gives the services that the stack of a test has.
func stackOf(names ...string) func() ([]string, error) {
	return func() ([]string, error) { return names, nil }
}

func TestArguments(t *testing.T) {
	for line, want := range map[string]string{
		"":                                  "",
		"build":                             "build",
		"build redis":                       "build -services=redis",
		"logs -follow redis livekit":        "logs -services=redis,livekit -follow",
		"logs -services=redis livekit":      "logs -services=redis,livekit",
		"logs redis -services=livekit":      "logs -services=redis,livekit",
		"stop -services=redis -services=a":  "stop -services=redis,a",
		"start --dry-run redis":             "start -services=redis -dryrun",
		"start -dryRun -timeout=5s":         "start -dryrun -timeout=5s",
		"setup full":                        "setup full",
		"setup full redis":                  "setup full -services=redis",
		"build api-backend start redis":     "build -services=api-backend start -services=redis",
		"check build start":                 "check build start",
		"Build start":                       "Build start",
		"logs Redis":                        "logs -services=Redis",
		"models base.en build":              "models base.en build",
		"models -service=stt base.en":       "models base.en -service=stt",
		"cleanup -scope=host -volumes=data": "cleanup -scope=host -volumes=data",
		"stop -services=test":               "stop -services=test",
		"stop up":                           "stop -services=up",
		"start -json=false":                 "start -json=false",
		"-l":                                "-l",
		"-h logs":                           "-h logs",
		"schedule cleanup":                  "schedule -jobs=cleanup",
		"schedule Cleanup monitor -remove":  "schedule -jobs=cleanup,monitor -remove",
		"schedule -remove -jobs=cleanup":    "schedule -jobs=cleanup -remove",
		"schedule -run=cleanup status":      "schedule -run=cleanup status",
	} {
		got, err := ours.Settle(strings.Fields(line), stackOf("test", "up"))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, %v; want %q", line, got, err, want)
		}
	}
}

// Words are separated by "|", so that some can be empty.
func TestWrongArgumentsAreRefusedWithAWay(t *testing.T) {
	for line, want := range map[string]string{
		"biuld":           `no target "biuld" (did you mean "build"?)`,
		"setup|ful":       `no target "ful" (did you mean "full"?), and setup takes no service names`,
		"lgos|redis":      `no target "lgos" (did you mean "logs"?)`,
		"schedule|clenup": "no job \"clenup\" (did you mean \"cleanup\"?)\n  next: go tool mage schedule, which lists",
		"nosuchthing":     "no target \"nosuchthing\"\n  next: go tool mage -l",
		"":                `no target ""`,
		"stop|test": "\"test\" after stop may be the service or the target of that name\n  next: go " +
			"tool mage stop -services=test for the service, or go tool mage test by itself for the target",
		"logs|redis|TEST": `"TEST" after logs may be the service`,
		"stop|": "an empty service name after stop: nothing was done\n  next: go tool mage stop " +
			"without a name for all",
		"stop| ":                "an empty service name after stop",
		"restart|redis|":        "an empty service name after restart",
		"stop|-services=":       "-services of stop has an empty value: nothing was done",
		"stop|-services=,":      `an empty name in the list ","`,
		"stop|-services=redis,": `an empty name in the list "redis,"`,
		"cleanup|-images=":      "-images of cleanup has an empty value: nothing was done",
		"cleanup|-image=a":      `(did you mean "images"?)`,
		"cleanup|-volumes=":     "-volumes of cleanup has an empty value: nothing was done",
		"cleanup|-volumes=a,,b": `an empty name in the list "a,,b"`,
		"up":                    "no target \"up\"\n  next: go tool mage start",
		"down": "no target \"down\"\n  next: go tool mage stop, or docker compose down, which " +
			"removes the containers",
		"ps":            "next: go tool mage status",
		"build|ps":      "no target \"ps\"\n  next: go tool mage status",
		"setup|up":      "no target \"up\"\n  next: go tool mage start",
		"exec|redis|sh": "next: docker compose exec",
		"start|-timeout|5s": "-timeout of start takes its value after an equals sign\n  next: go tool mage " +
			"start -timeout=5s",
		"logs|--tail":          "next: go tool mage logs -tail=…",
		"start|-timeout=5":     "-timeout=5 of start is not a duration, such as 30s or 5m",
		"start|-timeout=-5s":   "is not a duration",
		"start|-dry-run=maybe": "-dry-run=maybe of start is neither true nor false",
		"start|-dry-rum":       `no option "-dry-rum" of start (did you mean "dry-run"?)`,
		"start|-d": "no option \"-d\" of start\n  next: go tool mage start: it leaves the services " +
			"running",
		"logs|-f|redis":           "no option \"-f\" of logs\n  next: go tool mage logs -follow",
		"setup|-json":             "no option \"-json\" of setup\n  next: go tool mage setup -h",
		"stop|-t|5":               "next: go tool mage -t 30s stop",
		"stop|-d":                 "no option \"-d\" of stop\n  next: go tool mage stop -h",
		"start|-w|dir":            "next: go tool mage -w DIRECTORY start",
		"models":                  "models needs a model\n  next: go tool mage models -h",
		"models|-service=whisper": "models needs a model",
	} {
		got, err := ours.Settle(strings.Split(line, "|"), stackOf("test", "redis"))
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %q, %v, want %q", line, got, err, want)
		}
	}
}

// A stack is read only where a word may be a service's name as well as something else.
func TestArgumentsReadTheStackOnlyInDoubt(t *testing.T) {
	for line, want := range map[string]bool{
		"start": false, "logs redis": false, "setup full": false, "cleanup build": false, "check build": true,
		"stop up": true,
	} {
		read := false
		_, err := ours.Settle(strings.Fields(line), func() ([]string, error) {
			read = true
			return []string{"up"}, nil
		})
		if err != nil || read != want {
			t.Errorf("%q: read the stack: %t (%v), want %t", line, read, err, want)
		}
	}
}

func TestHelpIsFoundInBothPlaces(t *testing.T) {
	for line, want := range map[string]string{
		"start --help": "start", "start -h": "start", "start redis -help": "start", "check start --help": "start",
		"nosuch --help": "nosuch",
		"start":         "", "--help": "", "-h start": "",
	} {
		if got, asked := ours.HelpAsked(strings.Fields(line), ""); got != want || asked != (want != "") {
			t.Errorf("%q: help of %q (%t), want %q", line, got, asked, want)
		}
	}
	if got, asked := ours.HelpAsked([]string{"logs", "redis"}, "1"); got != "logs" || !asked {
		t.Errorf("mage -h logs redis: help of %q (%t)", got, asked)
	}
}

func TestHelpOfAnAliasIsThatOfItsTarget(t *testing.T) {
	table := importers()
	table.Commands["up"] = Command{Services: true, Target: "stack:start"}
	for name, want := range map[string]string{"Up": "stack:start", "deploy": "deploy", "DB:migrate": "DB:migrate"} {
		if got, ok := table.HelpOf(name); got != want || !ok {
			t.Errorf("help of %s is that of %q (%t), want %q", name, got, ok, want)
		}
	}
	if _, ok := table.HelpOf("nosuch"); ok {
		t.Error("there is help for a target that is not there")
	}
	table.Open = true
	if name, ok := table.HelpOf("nosuch"); !ok || name != "nosuch" {
		t.Error("an open table knows what is not there")
	}
}

func TestOptionsAreSpelledAsOnTheCommandLine(t *testing.T) {
	got := SpellOptions("Usage:\n\n\tmage x [-noCache=<bool>]\n\nFlags:\n\n\t-noCache=<bool>           -no-cache: " +
		"build again\n\t-timeout=<time.Duration>  for all\n")
	want := "Usage:\n\n\tmage x [-no-cache]\n\nFlags:\n\n\t-no-cache            build " +
		"again\n\t-timeout=<duration>  for all\n"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// Where the stack can't be read nothing is guessed: "stop build" would stop everything.
func TestArgumentsRefuseInDoubt(t *testing.T) {
	broken := fault.New(fault.Config, "", "compose.yaml:2: not valid YAML")
	got, err := ours.Settle([]string{"stop", "build"}, func() ([]string, error) { return nil, broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %q, %v", got, err)
	}
}

// importers is the table of a magefile with targets of its own, and ours under an alias.
func importers() Table {
	t := Table{Commands: map[string]Command{
		"build": {Foreign: true},
		"deploy": {Foreign: true, Values: []string{"where", "count"}, Options: Options{
			"dry-run": Flag, "reason": Text,
		}},
		"db:migrate": {Foreign: true, Values: []string{"to"}},
	}}
	for name, command := range Packages["targets"] {
		t.Commands["stack:"+name] = command
	}
	t.Commands["up"] = t.Commands["stack:start"]
	return t
}

func TestAnImportersTargetsAreLeftToMage(t *testing.T) {
	for line, want := range map[string]string{
		"build":                                "build",
		"stack:build web":                      "stack:build -services=web",
		"build stack:start -dry-run web":       "build stack:start -services=web -dryrun",
		"up web build":                         "up -services=web build",
		"deploy prod 3":                        "deploy prod 3",
		"deploy prod -3 build":                 "deploy prod -3 build",
		"deploy -dry-run prod 3 -reason=":      "deploy prod 3 -dryrun -reason=",
		"deploy prod 3 --what=x":               "deploy prod 3 --what=x",
		"db:migrate build stack:status api db": "db:migrate build stack:status -services=api,db",
		"DB:Migrate 7":                         "DB:Migrate 7",
	} {
		got, err := importers().Settle(strings.Fields(line), stackOf("web"))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, %v; want %q", line, got, err, want)
		}
	}
	for line, want := range map[string]string{
		"deploy prod":      "deploy needs a count",
		"buidl":            `no target "buidl" (did you mean "build"?)`,
		"stack:biuld":      `(did you mean "stack:build"?)`,
		"start":            `no target "start" (did you mean "stack:start"?)`,
		"stack:start -d":   "next: go tool mage stack:start -h",
		"build web":        `no target "web", and build takes no service names`,
		"stack:stop db:up": `no target "db:up"`,
		"stack:stop build": `"build" after stack:stop may be the service or the target`,
	} {
		if got, err := importers().Settle(strings.Fields(line), stackOf("build")); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %q, %v; want %q", line, got, err, want)
		}
	}
}

// Where a magefile imports targets of others, whose names are not known, what nobody knows is Mage's to judge.
func TestAnOpenTableLeavesTheUnknownToMage(t *testing.T) {
	for line, want := range map[string]string{
		"release":                  "release",
		"release 1.2 -force build": "release 1.2 -force build",
		"up":                       "up",
		"start web ci:lint -x":     "start -services=web ci:lint -x",
		"setup release":            "setup release",
	} {
		got, err := Everything().Settle(strings.Fields(line), stackOf())
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, %v; want %q", line, got, err, want)
		}
	}
	if _, err := Everything().Settle([]string{"start", "-nosuch"}, stackOf()); err == nil {
		t.Error("an option that our own target does not have is let through")
	}
}
