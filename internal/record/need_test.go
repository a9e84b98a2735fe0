package record

import (
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/fit"
	"github.com/25eloquence/compose-mage/internal/history"
)

func TestNeeds(t *testing.T) {
	store, err := history.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	const minutes = 12 * 60
	for i := range minutes {
		values := []history.Value{
			{Service: "web", Metric: history.MemoryWorkingSet, V: 100},
			{Service: "web", Metric: history.MemoryUnreclaimable, V: 50},
			{Service: "web", Metric: history.UpSeconds, V: float64(30 + 60*i)},
			{Service: "old", Metric: history.MemoryWorkingSet, V: 10},
			{Service: "old", Metric: history.UpSeconds, V: 1e6},
			{Service: "old", Metric: history.OOMKills, V: float64(i / (minutes / 3))},
			{Metric: history.DiskFree, V: 1},
		}
		if i == minutes/2 { // a peak of a minute, in one of 144 times five minutes
			values[0].V = 400
		}
		if err := store.Add(noon.Add(time.Duration(i)*time.Minute), values); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Needs(store, noon, noon.Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	recorded := (minutes - 1) * time.Minute.Seconds()
	for service, want := range map[string]fit.Need{
		"web": {Recorded: recorded, P99: 50, Most: 50, Rest: 50, WorkingP99: 100, WorkingMost: 400, Started: true},
		"old": {Recorded: recorded, WorkingP99: 10, WorkingMost: 10, Kills: 2},
	} {
		if got[service] != want {
			t.Errorf("%s: %+v, want %+v", service, got[service], want)
		}
	}
	if len(got) != 2 {
		t.Errorf("needs of %d services", len(got))
	}
}
