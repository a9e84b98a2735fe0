package preflight

import (
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/fixture"
)

// TestRulesHaveFixtures names of each rule a file in which it finds its fault, and the nearest one without a fault.
func TestRulesHaveFixtures(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	found := func(file string, change func(*Input)) []check.Finding {
		in := Input{API: host(), Info: info(), Local: true, Project: load(t, file, "x", "Dockerfile")}
		change(&in)
		return fixture.Found(All(t.Context(), in))
	}
	none := func(*Input) {}
	fixtures := map[string]fixture.Fixture{}
	for id, files := range map[string]struct{ fires, silent string }{
		"image.unbuilt":      {faults["not built"].file, service("")},
		"image.missing":      {faults["a registry that has it not"].file, faults["a registry that has it"].file},
		"image.unknown":      {faults["a registry that is away"].file, faults["a registry that has it"].file},
		"depends_on.healthy": {faults["waits for one without check"].file, faults["the image has the check"].file},
		"network.external":   {faults["external network"].file, faults["external network is there"].file},
		"volume.external":    {faults["external volume"].file, faults["external volume is there"].file},
		"network.overlap": {
			faults["a subnet that is taken"].file,
			strings.ReplaceAll(faults["a subnet that is taken"].file, "172.17", "172.18"),
		},
		"network.driver": {
			faults["an unknown network driver"].file,
			strings.ReplaceAll(faults["an unknown network driver"].file, "weave", "bridge"),
		},
		"volume.driver": {
			faults["an unknown volume driver"].file,
			strings.ReplaceAll(faults["an unknown volume driver"].file, "rexray", "local"),
		},
		"mount.target": {faults["a drive letter"].file, service(", volumes: ['/v:/v']")},
		"secret.file":  {faults["secret file"].file, faults["open for another user"].file},
		"secret.environment": {
			faults["secret's variable"].file,
			strings.ReplaceAll(faults["secret's variable"].file, "PREFLIGHT_UNSET", "PATH"),
		},
		"secret.external": {faults["external secret"].file, faults["open secret"].file},
		"secret.driver": {
			service(", secrets: [s]") + "secrets: {s: {template_driver: go, file: ./x}}", faults["open secret"].file,
		},
		"secret.mode": {faults["open secret"].file, faults["open for another user"].file},
		"secret.read_only": {
			service(", read_only: true, secrets: [s]") + "secrets: {s: {environment: PATH}}",
			service(", secrets: [s]") + "secrets: {s: {environment: PATH}}",
		},
		"config.file": {
			faults["config file"].file, strings.ReplaceAll(faults["config file"].file, "lost", "x"),
		},
		"config.environment": {
			service(", configs: [s]") + "configs: {s: {environment: PREFLIGHT_UNSET}}", service(", configs: [s]") +
				"configs: {s: {environment: PATH}}",
		},
		"config.external": {
			service(", configs: [s]") + "configs: {s: {external: true}}", service(", configs: [s]") +
				"configs: {s: {file: ./x}}",
		},
		"config.driver": {
			service(", configs: [s]") + "configs: {s: {template_driver: golang, file: ./x}}",
			service(", configs: [s]") + "configs: {s: {file: ./x}}",
		},
		"config.read_only": {
			faults["config in read_only"].file,
			strings.ReplaceAll(faults["config in read_only"].file, "read_only: true, ", ""),
		},
		"bind.source":   {faults["bind mount"].file, strings.ReplaceAll(faults["bind mount"].file, "lost", "x")},
		"build.context": {faults["additional context"].file, faults["contexts from afar"].file},
		"build.secret": {
			faults["build secret"].file, strings.ReplaceAll(faults["build secret"].file, "lost", "x"),
		},
		"build.ssh":            {faults["SSH agent"].file, service(", build: {context: .}")},
		"gpu.missing":          {faults["GPU"].file, service("")},
		"device.missing":       {faults["a device"].file, faults["a device that is there"].file},
		"runtime.missing":      {faults["a runtime"].file, faults["a shim"].file},
		"platform.unsupported": {faults["a platform"].file, faults["its own platform"].file},
		"container.name":       {faults["container_name"].file, faults["a name that nobody has"].file},
		"limits.refused":       {faults["swap below memory"].file, faults["endless swap"].file},
	} {
		if files.fires == "" || files.silent == "" {
			t.Fatalf("%s names no file", id)
		}
		fixtures[id] = fixture.Of(found(files.fires, none), found(files.silent, none))
	}
	for id, name := range map[string]struct{ fires, silent string }{
		"limits.unenforced": {"no memory limits", "swap of the new cgroups"},
		"limits.swap":       {"no count of swap", "swap of the new cgroups"},
	} {
		on := func(name string) []check.Finding { return found(elsewhere[name].file, elsewhere[name].change) }
		fixtures[id] = fixture.Of(on(name.fires), on(name.silent))
	}
	fixture.HoldAll(t, fixtures)
}
