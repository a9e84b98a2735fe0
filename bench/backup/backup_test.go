//go:build integration

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
	"github.com/25eloquence/compose-mage/stack/backup"
)

// toolVariable has this test's program make a backup, as the targets do.
const toolVariable = "BENCH_BACKUP"

func TestMain(m *testing.M) {
	if os.Getenv(toolVariable) != "" {
		if _, err := backup.Make(context.Background(), backup.Options{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestTheBenchRuns runs the case freeze once on a volume of a few MiB, and packs that by tar: what the other cases are
// made of.
func TestTheBenchRuns(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the volumes' files are root's")
	}
	alone, err := rig.Alone()
	if err != nil {
		t.Skip(err)
	}
	defer alone.Close()
	if err := rig.EnterRepository(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := stand(t.Context(), config{size: 8, file: 1, pairs: 1, days: 1, dir: t.TempDir()})
	defer func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	}()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b.tool, b.toolEnv = []string{program}, []string{toolVariable + "=1"}
	text, err := b.measure(t.Context(), "freeze")
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + text)
	if !strings.Contains(text, "| one file of 8 MiB | 1 |") || !strings.HasSuffix(text, "| 0 |\n") {
		t.Errorf("who asked the service, or looked at its health, has noticed: %s", text)
	}
	seconds, out, size, err := b.tar(t.Context())
	if err != nil || seconds <= 0 || out < seconds || size < 3<<20 || size > 6<<20 {
		t.Errorf("tar: %.2f s, %.2f s out of service, %d bytes, %v", seconds, out, size, err)
	}
}
