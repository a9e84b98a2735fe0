package cleanup

import (
	"testing"
	"time"
)

// TestSnapshotOf: what goes is said to be saved, or not, where it holds data.
func TestSnapshotOf(t *testing.T) {
	d := decision{seen: observed{saved: func(name string) (time.Time, bool) {
		return time.Date(2026, 11, 27, 3, 30, 0, 0, time.Local), name == "shop_data"
	}}}
	for name, want := range map[string]string{
		"shop_data": ", last saved 2026-11-27 03:30", "shop_other": ", and NO BACKUP OF IT is known here",
	} {
		if got := d.snapshotOf(name, holdsData); got != want {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if got := d.snapshotOf("shop_other", "a cache"); got != "" {
		t.Errorf("of a cache it says %q", got)
	}
}
