package stack

import (
	"errors"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// A budget for the build caches does nothing to what a project's cleanup removes: they are every project's.
func TestKeepNeedsTheHost(t *testing.T) {
	for _, scope := range []string{"", "project"} {
		var f *fault.Error
		err := CleanupOptions{Scope: scope, Keep: "2GB"}.Validate()
		const next = "go tool mage cleanup -scope=host -keep=2GB -dry-run"
		if !errors.As(err, &f) || f.Code != fault.Usage || !strings.Contains(f.Next, next) {
			t.Errorf("-scope=%s: got %v", scope, err)
		}
	}
}

func TestLogsRefusesATailThatIsNoNumber(t *testing.T) {
	for tail, fine := range map[string]bool{
		"abc": false, "1.5": false, "ALL": false, "all": true, "5": true, "": true,
	} {
		err := LogsOptions{Tail: tail}.Validate()
		var f *fault.Error
		refused := errors.As(err, &f) && f.Code == fault.Usage && f.Next == "go tool mage logs -tail=100"
		if refused == fine {
			t.Errorf("-tail=%s: got %v", tail, err)
		}
	}
}

func TestImagesThatAreNotPushedHaveNoPlatformsOrAttestations(t *testing.T) {
	for _, c := range []struct {
		o    BuildOptions
		fine bool
	}{
		{BuildOptions{}, true},
		{BuildOptions{Attest: true}, false},
		{BuildOptions{Platform: "linux/arm64"}, false},
		{BuildOptions{Push: true, Attest: true, Platform: "linux/arm64"}, true},
	} {
		if err := c.o.Validate(); (err == nil) != c.fine {
			t.Errorf("%+v: got %v", c.o, err)
		}
	}
}
