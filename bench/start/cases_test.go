package main

import (
	"context"
	"slices"
	"testing"
)

func TestReadPrograms(t *testing.T) {
	all, err := readPrograms("plain=/tmp/mage,traced=/tmp/mage  -trace=/tmp/t.json -timeout=1m")
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %+v", err, all)
	}
	b := &bench{projects: map[string]string{}, ports: make([]int, 7)}
	command := func(p program, args ...string) []string {
		return p.tool().command(context.Background(), b, &stack{}, args).Args
	}
	for _, c := range []struct{ got, want []string }{
		{command(all[0], "start"), []string{"/tmp/mage", "start"}},
		{command(all[1], "start"), []string{"/tmp/mage", "start", "-trace=/tmp/t.json", "-timeout=1m"}},
		{
			command(all[1], "restart", "-all"),
			[]string{"/tmp/mage", "restart", "-all", "-trace=/tmp/t.json", "-timeout=1m"},
		},
		{command(all[1], "menu"), []string{"/tmp/mage", "menu"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if none, err := readPrograms(""); err != nil || none != nil {
		t.Errorf("%v, %v", none, err)
	}
	for _, bad := range []string{"mage", "=/tmp/mage", "new=mage", "new=", "new= ", "new=/tmp/mage,", ","} {
		if _, err := readPrograms(bad); err == nil {
			t.Errorf("%q is a program", bad)
		}
	}
}
