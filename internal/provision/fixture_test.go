package provision

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/pinned"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// The test binary is its own daemon.
func TestMain(m *testing.M) {
	if os.Getenv("PROVISION_TEST_ROLE") == "daemon" {
		if err := http.ListenAndServe(os.Args[1], http.NotFoundHandler()); err != nil {
			fmt.Fprintln(os.Stderr, "daemon:", err)
		}
		os.Exit(3)
	}
	os.Exit(m.Run())
}

func testSetup(t *testing.T) *setup {
	t.Helper()
	s := &setup{dir: t.TempDir(), out: ui.New(&daemon.Tail{})}
	var err error
	if s.programs, err = pinned.ForSetup(s.dir, ""); err == nil {
		err = os.Mkdir(filepath.Join(s.dir, "logs"), 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range s.state.Processes {
			if err := p.Stop(context.Background(), time.Second); err != nil {
				t.Error(err)
			}
		}
	})
	return s
}
