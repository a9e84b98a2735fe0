package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
)

func TestARunIsRecorded(t *testing.T) {
	p := Place{Job: All[0], Project: "shop", Dir: t.TempDir()}
	var shown bytes.Buffer
	ran, err := p.Do(t.Context(), &shown, func(ctx context.Context, out io.Writer) error {
		if !p.Running() {
			t.Error("a run that is at work is not seen")
		}
		again, err := p.Do(ctx, nil, func(context.Context, io.Writer) error { t.Error("two at a time"); return nil })
		if again || err != nil {
			t.Errorf("a second run: %t, %v", again, err)
		}
		fmt.Fprintln(out, "one\nfreed 3B")
		return nil
	})
	r, ok := p.LastRun()
	if !ran || err != nil || !ok || r.ExitCode != 0 || r.Words != "freed 3B" || r.Ended.IsZero() || p.Running() {
		t.Errorf("%t, %v, %+v", ran, err, r)
	}
	if log, _ := os.ReadFile(p.LogFile()); !strings.Contains(string(log), "one\nfreed 3B\n") || shown.Len() == 0 {
		t.Errorf("the log has %q", log)
	}
	failure := fault.New(fault.Engine, "next", "no engine")
	_, err = p.Do(t.Context(), nil, func(context.Context, io.Writer) error { return failure })
	if r, _ = p.LastRun(); !errors.Is(err, failure) || r.ExitCode != int(fault.Engine) || r.Words != "no engine" {
		t.Errorf("%v, %+v", err, r)
	}
	// One that was killed has no end, and nobody has its lock.
	if err := keep(p.runFile(), Run{Started: noon}); err != nil {
		t.Fatal(err)
	}
	if p.Running() {
		t.Error("a run that was killed is at work")
	}
}

// TestALogHasABound also where one run never ends and prints for ever.
func TestALogHasABound(t *testing.T) {
	p := Place{Job: All[0], Project: "shop", Dir: t.TempDir()}
	line := []byte(strings.Repeat("x", 1<<10) + "\n")
	for range 3 {
		_, err := p.Do(t.Context(), nil, func(_ context.Context, out io.Writer) error {
			for range 2 * mostLog / len(line) {
				if _, err := out.Write(line); err != nil {
					return err
				}
			}
			_, err := out.Write(make([]byte, 3*mostLog))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{p.LogFile(), p.LogFile() + ".1"} {
		info, err := os.Stat(name)
		if err != nil || info.Size() > mostLog || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if entries, _ := os.ReadDir(p.Dir); len(entries) > 6 {
		t.Errorf("%d files", len(entries))
	}
}
