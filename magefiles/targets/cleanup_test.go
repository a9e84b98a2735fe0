package targets

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
		err := cleanUp(t.Context(), cleanupChoice{scope: scope, keep: "2GB"})
		if !errors.As(err, &f) || f.Code != fault.Usage || !strings.Contains(f.Next, "go tool mage cleanup -scope=host -keep=2GB -dry-run") {
			t.Errorf("-scope=%s: got %v", scope, err)
		}
	}
}
