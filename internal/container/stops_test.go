package container

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/state"
)

// TestStopsBetween: of what a stop has ended, only what ran before and exited with 0 is taken down; what an earlier
// stop ended stays known until it runs again.
func TestStopsBetween(t *testing.T) {
	at := ago(0)
	for name, c := range map[string]struct {
		before moby.ContainerState
		status moby.ContainerState
		code   int
		known  string
		want   bool
	}{
		"ran, and ended with 0":        {moby.StateRunning, moby.StateExited, 0, "", true},
		"was paused":                   {moby.StatePaused, moby.StateExited, 0, "", true},
		"ended with 3":                 {moby.StateRunning, moby.StateExited, 3, "", false},
		"runs still":                   {moby.StateRunning, moby.StateRunning, 0, "", false},
		"had ended before":             {moby.StateExited, moby.StateExited, 0, "", false},
		"an earlier stop had ended it": {moby.StateExited, moby.StateExited, 0, at, true},
		"it ran again since":           {moby.StateExited, moby.StateExited, 0, "another time", false},
	} {
		before := map[string][]moby.Summary{"web": {{ID: "x", State: c.before}}}
		after := with(c.status, func(r *Replica) { r.ID, r.State.ExitCode, r.State.FinishedAt = "x", c.code, at })
		got := stopsBetween(before, map[string][]Replica{"web": {after}}, stops{"x": c.known})
		if (got["x"] == at) != c.want || len(got) > 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestStopsAreKeptByProject: nothing is written where nothing was stopped, and what is written is read for its
// project alone.
func TestStopsAreKeptByProject(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(state.Variable, dir)
	file := filepath.Join(dir, "stops", "shop.json")
	if err := (stops{}).write("shop"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("a record of nothing: %v", err)
	}
	c := with(moby.StateExited, func(r *Replica) { r.ID = "x" })
	if err := (stops{"x": c.State.FinishedAt}).write("shop"); err != nil {
		t.Fatal(err)
	}
	if !EndedByStop("shop")(c.InspectResponse) || EndedByStop("other")(c.InspectResponse) {
		t.Error("the record is not read for its project, or for another")
	}
	again := with(moby.StateExited, func(r *Replica) { r.ID, r.State.FinishedAt = "x", ago(0) })
	never := with(moby.StateCreated, func(r *Replica) { r.ID = "y" })
	if EndedByStop("shop")(again.InspectResponse) || EndedByStop("shop")(never.InspectResponse) ||
		EndedByStop("shop")(moby.InspectResponse{ID: "x"}) {
		t.Error("a container that ended again, or never ran, was stopped by us")
	}
	if err := (stops{}).write("shop"); err != nil || len(readStops("shop")) != 0 {
		t.Errorf("what runs again is forgotten: %v, %v", readStops("shop"), err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil || len(readStops("shop")) != 0 {
		t.Errorf("a damaged record is one: %v", fmt.Sprint(readStops("shop")))
	}
}
