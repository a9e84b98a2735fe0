package extension

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAlertsAreRead(t *testing.T) {
	m, err := loaded(t, `
x-compose-mage:
  alerts:
    - webhook: {secret: hook, format: slack}
      for: 1m
      ids: [memory.*, service.unhealthy]
    - command: [/usr/local/bin/page, -team, ops]
      ids: disk.low
    - webhook: {environment: HOOK}
services:
  a: {image: x, secrets: [hook]}
secrets:
  hook: {file: ./hook}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Alert{
		{
			Webhook: &Webhook{Secret: "hook", Format: "slack"}, For: time.Minute,
			IDs: nameList{"memory.*", "service.unhealthy"},
		},
		{Command: []string{"/usr/local/bin/page", "-team", "ops"}, IDs: nameList{"disk.low"}},
		{Webhook: &Webhook{Environment: "HOOK"}},
	}
	if got := Alerts(m.Project); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestAlertsThatMeanNothing(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                                         "alerts.0 needs a webhook or a command, and not both",
		"{for: 1m}":                                  "needs a webhook or a command",
		"{command: []}":                              "needs a webhook or a command",
		"{command: [' ']}":                           "x-compose-mage.alerts.0.command names no program",
		"{command: [x], for: 25h}":                   "for is between 0s and 24h",
		"{command: [x], for: -1s}":                   "for is between 0s and 24h",
		"{command: [x], for: soon}":                  "x-compose-mage: ",
		"{command: [x], ids: ['[']}":                 "ids has a pattern",
		"{command: [x], idz: [a]}":                   `"idz" in x-compose-mage.alerts.0 (did you mean "ids"?)`,
		"{webhook: {}}":                              "webhook names one place",
		"{webhook: {url: x}}":                        `unknown key "url" in x-compose-mage.alerts.0.webhook`,
		"{webhook: {secret: hok}}":                   `names no secret of the project (did you mean "hook"?)`,
		"{webhook: {secret: cloud}}":                 "names a secret without a file",
		"{webhook: https://x.test/y}":                "x-compose-mage: ",
		"{webhook: {file: f, environment: E}}":       "webhook names one place",
		"{webhook: {file: f, format: slak}}":         `is one of json, slack, ntfy (did you mean "slack"?)`,
		"{webhook: {file: f}, command: [x]}":         "and not both",
		"{command: [x]}\n    - {command: [x], a: b}": "in x-compose-mage.alerts.1",
	} {
		_, err := loaded(t, "x-compose-mage:\n  alerts:\n    - "+text+`
services:
  a: {image: x, secrets: [hook, cloud]}
secrets:
  hook: {file: ./hook}
  cloud: {external: true}
`)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
