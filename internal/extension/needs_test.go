package extension

import (
	"errors"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
)

func TestNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want Needs
		err  string
	}{
		"nothing":       {"", Needs{}, ""},
		"nothing of it": {"x-compose-mage: {smoke: {service: a, command: [x]}}", Needs{}, ""},
		"empty":         {"x-compose-mage: {needs: }", Needs{}, ""},
		"all": {
			"x-compose-mage: {needs: {memory: 16G, memory_recommended: 32gb, cpus: 8, cpus_recommended: '16', disk: " +
				"100G}}",
			Needs{16 << 30, 32 << 30, 8, 16, 100 << 30},
			"",
		},
		"part":  {"x-compose-mage: {needs: {cpus: 0.5}}", Needs{CPUs: 0.5}, ""},
		"bytes": {"x-compose-mage: {needs: {memory: 1073741824}}", Needs{Memory: 1 << 30}, ""},
		"no size": {
			"x-compose-mage: {needs: {disk: much}}",
			Needs{},
			`x-compose-mage.needs.disk: "much" is no size such as 16G`,
		},
		"no number": {
			"x-compose-mage: {needs: {cpus: eight}}",
			Needs{},
			`x-compose-mage.needs.cpus: "eight" is no number of CPUs such as 8`,
		},
		"less than 0": {"x-compose-mage: {needs: {cpus: -1}}", Needs{}, `x-compose-mage.needs.cpus: "-1" is no number`},
		"of 0 CPUs":   {"x-compose-mage: {needs: {cpus: 0}}", Needs{}, `x-compose-mage.needs.cpus: "0" is no number`},
		"of 0 bytes":  {"x-compose-mage: {needs: {disk: 0}}", Needs{}, `x-compose-mage.needs.disk: "0" is no size`},
		"misspelt": {
			"x-compose-mage: {needs: {memmory: 16G}}",
			Needs{},
			`x-compose-mage.needs.memmory: there is no such key (did you mean "memory"?)`,
		},
		"no mapping": {"x-compose-mage: {needs: [16G]}", Needs{}, "x-compose-mage: "},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := loaded(t, "services: {a: {image: x}}\n"+c.text+"\n")
			var f *fault.Error
			switch {
			case c.err != "" &&
				(!errors.As(err, &f) || f.Code != fault.Config || !strings.Contains(err.Error(), ": "+c.err)):
				t.Errorf("got %v, want %s", err, c.err)
			case c.err == "" && err != nil:
				t.Error(err)
			case c.err == "" && NeedsOf(s.Project) != c.want:
				t.Errorf("got %+v", NeedsOf(s.Project))
			}
		})
	}
}

func TestReady(t *testing.T) {
	for text, c := range map[string]struct {
		started bool
		err     string
	}{
		"": {}, "x-compose-mage: {ready: started}": {true, ""}, "x-compose-mage: {ready: port}": {},
		"x-compose-mage: {runtime: [go]}": {},
		"x-compose-mage: {ready: strated}": {
			false, `service "a": x-compose-mage.ready: "strated" is neither port nor started (did you mean "started"?)`,
		},
		"x-compose-mage: {ready: true}": {
			false, `service "a": x-compose-mage.ready: "true" is neither port nor started`,
		},
	} {
		s, err := loaded(t, "services:\n  a:\n    image: x\n    "+text+"\n")
		if (err == nil) != (c.err == "") || err != nil &&
			!strings.Contains(err.Error(), "services.a.x-compose-mage.ready: "+c.err) {
			t.Errorf("%q: got %v, want %s", text, err, c.err)
		}
		if err == nil && ReadyOnceStarted(s.Project.Services["a"]) != c.started {
			t.Errorf("%q: ready once started: %v", text, !c.started)
		}
	}
}
