package readiness

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSilenceIsRemembered has a silence that was seen kept in the file, and forgotten there once something listens.
func TestSilenceIsRemembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "starts", "shop.json")
	for _, silent := range []bool{false, true, true, false} {
		p := ReadSilentPorts(path)
		p.set("a", silent)
		p.Save()
		again := ReadSilentPorts(path)
		if again.has("a") != silent || again.has("b") {
			t.Errorf("silent: %v, remembered: %v, of another service: %v", silent, again.has("a"), again.has("b"))
		}
		if len(again.services) > 1 || !silent && len(again.services) > 0 {
			t.Errorf("the file holds %v", again.services)
		}
	}
}

// TestSilentPortsFile has the files that a start may find.
func TestSilentPortsFile(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		silent bool
	}{
		"none":            {"", false},
		"damaged":         {"{", false},
		"empty":           {"{}", false},
		"an older's":      {`{"services":{"a":{"failed":1,"passed":2,"silent":true}},"noShell":["sha256:1"]}`, true},
		"an older's, not": {`{"services":{"a":{"failed":1,"passed":2}},"noShell":null}`, false},
	} {
		path := filepath.Join(t.TempDir(), "shop.json")
		if c.text != "" {
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := ReadSilentPorts(path).has("a"); got != c.silent {
			t.Errorf("%s: silent: %v", name, got)
		}
	}
}

// TestNothingIsWrittenInVain has a start that saw nothing new leave the file alone.
func TestNothingIsWrittenInVain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.json")
	p := ReadSilentPorts(path)
	p.set("a", false)
	p.Save()
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was written that says nothing")
	}
	without := ReadSilentPorts("")
	without.set("a", true)
	without.Save()
	if !without.has("a") {
		t.Error("without a file this start forgets")
	}
	var none *SilentPorts
	none.set("a", true)
	if none.has("a") {
		t.Error("something is remembered without a memory")
	}
}
