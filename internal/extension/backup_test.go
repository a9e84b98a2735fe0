package extension

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestBackup(t *testing.T) {
	m, err := loaded(t, `
x-compose-mage:
  backup:
    {repository: /mnt/backup, freeze: 2s, keep: {last: 2, daily: 7}, drill: {service: a, command: [x], timeout: 3s}}
services:
  plain: {image: a}
  short: {image: a, x-compose-mage: {backup: stop}}
  long: {image: a, x-compose-mage: {backup: {before: [flush], after: [go], dump: [dump, all]}}}
volumes:
  in: {x-compose-mage: {backup: true}}
  out: {x-compose-mage: {backup: false}}
  silent: {}
`)
	if err != nil {
		t.Fatal(err)
	}
	p := m.Project
	for name, want := range map[string]Backup{
		"plain": {By: BackupFreeze}, "short": {By: BackupStop},
		"long": {By: BackupFreeze, Before: []string{"flush"}, After: []string{"go"}, Dump: []string{"dump", "all"}},
	} {
		if got := BackupOf(p.Services[name]); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	b := BackupsOf(p)
	if b.Repository != "/mnt/backup" || b.Freeze != 2*time.Second || *b.Keep != (Keep{Last: 2, Daily: 7}) ||
		b.Drill == nil || b.Drill.Service != "a" || b.Drill.Timeout != 3*time.Second {
		t.Errorf("got %+v", b)
	}
	for name, want := range map[string][2]bool{"in": {true, true}, "out": {false, true}, "silent": {false, false}} {
		if saved, said := VolumeSaved(p.Volumes[name]); saved != want[0] || said != want[1] {
			t.Errorf("%s: got %v, %v", name, saved, said)
		}
	}
}

func TestBackupIsChecked(t *testing.T) {
	const head = "services: {a: {image: a}}\n"
	for key, want := range map[string]string{
		"services: {a: {image: a, x-compose-mage: {backup: freese}}}": `"freese" is none of dump, freeze, none, stop ` +
			`(did you mean "freeze"?)`,
		"services: {a: {image: a, x-compose-mage: {backup: {befor: [x]}}}}": `unknown key "befor"`,
		"services: {a: {image: a, x-compose-mage: {backup: {dump: []}}}}":   "dump names no program",
		head + "x-compose-mage: {backup: {freeze: 10m}}":                    "freeze is between 0s and 1m0s",
		head + "x-compose-mage: {backup: {keep: {}}}":                       "keep keeps nothing",
		head + "x-compose-mage: {backup: {keep: {last: -1}}}":               "below 0",
		head + "x-compose-mage: {backup: {keep: {yearly: 1}}}":              `unknown key "yearly"`,
		head + "x-compose-mage: {backup: {drill: {service: a}}}":            "drill needs a service and a command",
		head + "x-compose-mage: {backup: {drill: {comand: [x]}}}":           `unknown key "comand"`,
		head + "volumes: {v: {x-compose-mage: {backup: {by: stop}}}}":       "x-compose-mage",
	} {
		_, err := loaded(t, key)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v, want %q", key, err, want)
		}
	}
}
