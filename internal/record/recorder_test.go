package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// follower gives the snapshots of a channel.
type follower chan monitor.Snapshot

func (f follower) Follow() (<-chan monitor.Snapshot, func()) { return f, func() {} }

func snapshot(second int) monitor.Snapshot {
	return monitor.Snapshot{
		Time:     noon.Add(time.Duration(second) * time.Second),
		Services: []monitor.Replica{running("web", float64(second), 1000)},
	}
}

func recorded(t *testing.T, project string) int {
	t.Helper()
	dir, err := history.Dir(project)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := history.ReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := reader.Query("web", history.CPUPercent, noon, noon.Add(time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	return len(got)
}

func TestWhatIsWatchedIsRecorded(t *testing.T) {
	t.Setenv("COMPOSE_MAGE_STATE", t.TempDir())
	var out bytes.Buffer
	snapshots := make(follower)
	shown := errors.New("shown")
	for _, late := range []bool{false, true} {
		err := While(t.Context(), "p", snapshots, ui.New(&out), late, func(*Recorder) error {
			// Another that watches meanwhile says that it does not record, and shows its own.
			var other bytes.Buffer
			if err := While(t.Context(), "p", make(follower), ui.New(&other), late, func(*Recorder) error {
				if said := other.String(); (said == "") != late {
					t.Errorf("late %t: while it shows, %q is said", late, said)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			const reads = "another process records this project's history: this one only reads it"
			if !strings.Contains(other.String(), reads) {
				t.Errorf("the other one says %q", other.String())
			}
			for i := range 40 {
				snapshots <- snapshot(i)
			}
			return shown
		})
		if !errors.Is(err, shown) {
			t.Error(err)
		}
	}
	if n := recorded(t, "p"); n != 3 || out.Len() > 0 {
		t.Errorf("%d points of 15 s are there, said is %q", n, &out)
	}
}

func TestItRecordsOnceTheOtherHasEnded(t *testing.T) {
	t.Setenv("COMPOSE_MAGE_STATE", t.TempDir())
	dir, err := history.Dir("p")
	if err != nil {
		t.Fatal(err)
	}
	other, err := history.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	r, err := Open("p", func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) })
	if err != nil {
		t.Fatal(err)
	}
	add := func(second int, waited bool) {
		if waited {
			r.tried = time.Now().Add(-retryEvery)
		}
		if err := r.add(snapshot(second)); err != nil {
			t.Fatal(err)
		}
	}
	add(0, true)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	add(1, false)
	add(60, true)
	if got, err := r.Query("web", history.CPUPercent, noon, noon.Add(time.Hour), 0); err != nil || len(got) != 1 {
		t.Errorf("%v: %v", got, err)
	}
	r.Close()
	n := recorded(t, "p")
	if n != 1 || len(said) != 2 || !strings.Contains(said[1], "records the project's history now") {
		t.Errorf("%d points, said are %q", n, said)
	}
}

// TestWhatCanNotBeWrittenIsSaidOnce records into a directory that can't be had, and goes on.
func TestWhatCanNotBeWrittenIsSaidOnce(t *testing.T) {
	state := t.TempDir()
	t.Setenv("COMPOSE_MAGE_STATE", state)
	if err := os.WriteFile(state+"/projects", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	snapshots := make(follower)
	if err := While(ctx, "p", snapshots, ui.New(&out), false, func(*Recorder) error {
		for i := range 5 {
			snapshots <- snapshot(i)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if said := out.String(); strings.Count(said, "nothing is recorded") != 1 || !strings.Contains(said, "next:") {
		t.Errorf("said is %q", said)
	}
}
