package edit

import (
	"errors"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
)

// FuzzApply says that no text makes an edit panic, that an edit that is made is there, and that it is made once.
func FuzzApply(f *testing.F) {
	all := []check.Edit{restart, logging, version, ignored, port, depends, condition}
	for _, c := range edits {
		for i := range all {
			f.Add(c.before, i)
		}
	}
	f.Fuzz(func(t *testing.T, text string, which int) {
		if which < 0 || which >= len(all) {
			return
		}
		e := all[which]
		got, err := Apply([]byte(text), e)
		var refusal *Refusal
		if err != nil {
			if !errors.As(err, &refusal) {
				t.Fatalf("%v", err)
			}
			return
		}
		again, err := Apply(got, e)
		if err != nil || string(again) != string(got) {
			t.Fatalf("a second time: %v\n%q\n%q", err, got, again)
		}
		if e.Delete || e.Old != "" {
			return
		}
		at := strings.Index(string(got), strings.TrimSpace(e.Path[2]))
		if at < 0 || len(got) < len(text) {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
