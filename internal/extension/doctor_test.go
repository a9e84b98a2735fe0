package extension

import (
	"reflect"
	"strings"
	"testing"
)

func TestIgnores(t *testing.T) {
	m, err := loaded(t, `
x-compose-mage: {doctor: {ignore: {port.any: a firewall is before it, image.floating: built here}}}
services:
  b: {image: x, x-compose-mage: {doctor: {ignore: {health.missing: its clients retry}}}}
  a: {image: x}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Ignore{
		{ID: "image.floating", Reason: "built here"},
		{ID: "port.any", Reason: "a firewall is before it"},
		{ID: "health.missing", Reason: "its clients retry", Service: "b"},
	}
	if got := Ignores(m.Project); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestIgnoresNeedAReason(t *testing.T) {
	for text, want := range map[string]string{
		"services: {a: {image: x}}\nx-compose-mage: {doctor: {ignore: {port.any: ' '}}}": "x-compose-mage.doctor." +
			"ignore.port.any needs a reason",
		"services: {a: {image: x, x-compose-mage: {doctor: {ignore: {port.any: }}}}}":     "port.any needs a reason",
		"services: {a: {image: x}}\nx-compose-mage: {doctor: {ignor: {port.any: x}}}":     `(did you mean "ignore"?)`,
		"services: {a: {image: x}}\nx-compose-mage: {doctor: {ignore: [port.any]}}":       "x-compose-mage: ",
		"services: {a: {image: x}}\nvolumes: {v: {x-compose-mage: {doctor: {ignore: }}}}": `unknown key "doctor"`,
	} {
		if _, err := loaded(t, text+"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
