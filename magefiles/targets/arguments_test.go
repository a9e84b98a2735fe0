package targets

import (
	"strings"
	"testing"
)

func TestArguments(t *testing.T) {
	for line, want := range map[string]string{
		"":                                  "",
		"build":                             "build",
		"build redis":                       "build -services=redis",
		"logs -follow redis livekit":        "logs -services=redis,livekit -follow",
		"logs -services=redis livekit":      "logs -services=redis,livekit",
		"start --dry-run redis":             "start -services=redis -dryrun",
		"setup full":                        "setup full",
		"setup full redis":                  "setup full -services=redis",
		"build api-backend start redis":     "build -services=api-backend start -services=redis",
		"Build start":                       "Build start",
		"models base.en build":              "models base.en build",
		"cleanup -scope=host -volumes=data": "cleanup -scope=host -volumes=data",
		"-l":                                "-l",
		"-h logs":                           "-h logs",
	} {
		got, err := Arguments(strings.Fields(line))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, %v; want %q", line, got, err, want)
		}
	}
	for line, want := range map[string]string{
		"biuld":       `no target "biuld" (did you mean "build"?)`,
		"setup ful":   `no target "ful" (did you mean "full"?)`,
		"lgos redis":  `no target "lgos" (did you mean "logs"?)`,
		"nosuchthing": `no target "nosuchthing"` + "\n  next: go tool mage -l",
	} {
		if _, err := Arguments(strings.Fields(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", line, err, want)
		}
	}
}
