package logerrors

import (
	"cmp"
	"slices"
	"time"
)

// Errors is what a container's log says of errors, counted since somebody reads it. Its zero value is that nobody
// does.
type Errors struct {
	Total     int64   `json:"errors_total"`
	PerMinute float64 `json:"errors_per_minute"` // in the last minute
	// Usual is how many a minute had on average, in the hour before the last minute; 0 where nobody has read for
	// longer.
	Usual  float64 `json:"usual_errors_per_minute"`
	Groups []Group `json:"groups,omitempty"` // the most frequent, at most ten
	// Source is how the log is read: file, or engine.
	Source string `json:"source,omitempty"`
	// Skipped are bytes that were not looked at, since more was written than is read.
	Skipped int64 `json:"skipped_bytes,omitempty"`
}

// Group is lines of errors that differ in numbers, identifiers and the like alone.
type Group struct {
	Template string    `json:"template"` // the line with what differs as *
	Count    int64     `json:"count"`
	Last     time.Time `json:"last"` // when such a line was last read
}

const (
	// maxGroups is how many templates are kept of one container; a new one takes the place of that which was not read
	// for the longest.
	maxGroups = 200
	// maxShown is how many of them are told.
	maxShown = 10
	// slot is the time of which errors are counted together, and the last minute and the hour before it have so many.
	slot       = 5 * time.Second
	minuteLong = int64(time.Minute / slot)
	hourLong   = int64(time.Hour / slot)
)

// Counter counts the errors of one container's log. It is not for several goroutines.
type Counter struct {
	trace  trace
	total  int64
	slots  [minuteLong + hourLong]uint32
	newest int64 // number of the slot that was counted in last
	oldest int64 // number of the first slot that counts
	groups map[string]*Group
	shown  []Group // nil where groups have changed since
}

// NewCounter makes one that counts from now on.
func NewCounter(now time.Time) *Counter {
	n := slotOf(now)
	return &Counter{newest: n, oldest: n, groups: map[string]*Group{}}
}

func slotOf(at time.Time) int64 { return at.UnixNano() / int64(slot) }

// Line looks at one line, without its end, that was read at this moment.
func (c *Counter) Line(line []byte, now time.Time) {
	message, is := c.trace.errorOf(line[:min(len(line), maxLine)])
	if !is {
		return
	}
	c.total++
	c.advance(now)
	c.slots[c.newest%int64(len(c.slots))]++
	c.group(templateOf(message), now)
}

// advance empties the slots between the newest one and that of now. A clock that goes back counts on in the newest.
func (c *Counter) advance(now time.Time) {
	n := slotOf(now)
	for i := max(c.newest+1, n-int64(len(c.slots))+1); i <= n; i++ {
		c.slots[i%int64(len(c.slots))] = 0
	}
	c.newest = max(c.newest, n)
	c.oldest = max(c.oldest, c.newest-int64(len(c.slots))+1)
}

func (c *Counter) group(template string, now time.Time) {
	c.shown = nil
	g := c.groups[template]
	if g == nil {
		if len(c.groups) >= maxGroups {
			var longest *Group
			for _, other := range c.groups {
				if longest == nil || other.Last.Before(longest.Last) {
					longest = other
				}
			}
			delete(c.groups, longest.Template)
		}
		g = &Group{Template: template}
		c.groups[template] = g
	}
	g.Count++
	g.Last = now
}

// Errors is what was counted by now.
func (c *Counter) Errors(now time.Time) Errors {
	c.advance(now)
	sum := func(from, to int64) (n float64) { // of slots; to is not among them
		for i := max(from, c.oldest); i < to; i++ {
			n += float64(c.slots[i%int64(len(c.slots))])
		}
		return n
	}
	minute := c.newest - minuteLong + 1
	e := Errors{Total: c.total, PerMinute: sum(minute, c.newest+1)}
	if before := minute - c.oldest; before >= minuteLong {
		e.Usual = sum(c.oldest, minute) / (float64(before) / float64(minuteLong))
	}
	if c.shown == nil {
		all := make([]Group, 0, len(c.groups))
		for _, g := range c.groups {
			all = append(all, *g)
		}
		slices.SortFunc(all, func(a, b Group) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), b.Last.Compare(a.Last), cmp.Compare(a.Template, b.Template))
		})
		c.shown = slices.Clone(all[:min(maxShown, len(all))])
	}
	e.Groups = c.shown
	return e
}

// Many says whether the errors of the last minute are well above what is usual: at least ten, and at least three
// times as many as a minute had in the hour before.
func (e Errors) Many() bool { return e.PerMinute >= manyErrors && e.PerMinute >= manyTimes*e.Usual }

const (
	manyErrors = 10 // in the last minute
	manyTimes  = 3  // of what is usual
)
