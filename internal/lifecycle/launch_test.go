package lifecycle

import (
	"testing"

	"github.com/25eloquence/compose-mage/internal/composetest"
)

// TestDirect: what the Compose library does beside the start, only the library can do.
func TestDirect(t *testing.T) {
	t.Setenv("TOKEN", "t")
	project := composetest.Load(t, `services:
  plain: {image: x}
  before: {image: x, pre_start: [{image: h, command: [x]}]}
  after: {image: x, post_start: [{command: [x]}]}
  provided: {provider: {type: x}}
  file: {image: x, secrets: [file], configs: [file]}
  secret: {image: x, secrets: [file, token]}
  inline: {image: x, configs: [file, inline]}
  variable: {image: x, configs: [variable]}
secrets:
  file: {file: ./x}
  token: {environment: TOKEN}
configs:
  file: {file: ./x}
  inline: {content: "text"}
  variable: {environment: TOKEN}
`)
	for service, want := range map[string]bool{
		"plain": true, "before": false, "after": false, "provided": false, "file": true, "secret": false,
		"inline": false, "variable": false,
	} {
		if got := direct(project, project.Services[service]); got != want {
			t.Errorf("%s: %v", service, got)
		}
	}
}

func TestChosenPorts(t *testing.T) {
	project := composetest.Load(t, `services:
  none: {image: x}
  fixed: {image: x, ports: ["8080:80"]}
  any: {image: x, ports: ["8080:80", "81"]}
  zero: {image: x, ports: ["0:80"]}
  range: {image: x, ports: ["8000-8010:80"]}
`)
	for service, want := range map[string]bool{
		"none": false, "fixed": false, "any": true, "zero": true, "range": true,
	} {
		if got := chosenPorts(project.Services[service]); got != want {
			t.Errorf("%s: %v", service, got)
		}
	}
}
