package monitor

import (
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
)

func TestFollowersGetTheNewestSnapshot(t *testing.T) {
	o := NewObserver(nil, &types.Project{}, engine.Machine{}, 0)
	if _, ok := o.Latest(); ok {
		t.Error("there is a snapshot before the first")
	}
	early, stopEarly := o.Follow()
	for i := range 3 {
		o.give(Snapshot{Time: noon.Add(time.Duration(i) * time.Second)})
	}
	late, stopLate := o.Follow()
	defer stopLate()
	want := noon.Add(2 * time.Second)
	if got := (<-early).Time; !got.Equal(want) {
		t.Errorf("a slow follower got that of %s", got)
	}
	if got := (<-late).Time; !got.Equal(want) {
		t.Errorf("a late follower got that of %s", got)
	}
	stopEarly()
	o.give(Snapshot{Time: noon.Add(time.Minute)})
	select {
	case s := <-early:
		t.Errorf("got %v after the end", s.Time)
	default:
	}
	if got := (<-late).Time; !got.Equal(noon.Add(time.Minute)) {
		t.Errorf("got that of %s", got)
	}
}
