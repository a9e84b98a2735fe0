package ui

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
)

func TestTableAlignsColouredCells(t *testing.T) {
	var b bytes.Buffer
	Table(&b, []string{"SERVICE", "STATE", "CPU"}, [][]string{
		{"redis", Green("healthy"), "1.0 %"},
		{"eloquence-agent-v1", "exited", "0 %"},
	})
	lines := strings.Split(ansi.Strip(b.String()), "\n")
	for i, want := range []int{
		strings.Index(lines[0], "CPU"), strings.Index(lines[1], "1.0"), strings.Index(lines[2], "0 %"),
	} {
		if want != strings.Index(lines[0], "CPU") {
			t.Errorf("line %d starts its last column at %d:\n%s", i, want, b.String())
		}
	}
}

func TestStepReportsFailureAndSuccess(t *testing.T) {
	var b bytes.Buffer
	out := New(&b)
	boom := errors.New("boom")
	if err := out.Step(context.Background(), "pulling base",
		func(context.Context, func(string)) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	_ = out.Step(context.Background(), "pushing base", func(context.Context, func(string)) error { return nil })
	if got := ansi.Strip(b.String()); !strings.Contains(got, "✗ pulling base") ||
		!strings.Contains(got, "✓ pushing base") {
		t.Errorf("got:\n%s", got)
	}
}

func TestSizesAndTimes(t *testing.T) {
	for got, want := range map[string]string{
		Bytes(512 << 20): "512MiB", Bytes(16 << 30): "16GiB", Bytes(0): "0B",
		Seconds(1540 * time.Millisecond): "1.5s", Seconds(125 * time.Second): "2m05s",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
