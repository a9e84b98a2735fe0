package logsearch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// told gives what an assembler tells, and what it was told it by.
func told() (*assembler, *[]string) {
	var got []string
	a := &assembler{service: "web", container: "web-1", to: func(e Entry) {
		got = append(got, fmt.Sprintf("%d %s %s %s", e.Time.Sub(began).Milliseconds(), e.Stream, e.Level, e.Message))
	}}
	return a, &got
}

func TestEntriesHaveTheLinesThatContinueThem(t *testing.T) {
	out := func(ms int, text string) line { return line{at(ms), stdout, text} }
	err := func(ms int, text string) line { return line{at(ms), stderr, text} }
	for name, c := range map[string]struct {
		lines []line
		want  []string
	}{
		"a stack trace": {
			[]line{out(1, "ERROR boom"), out(2, "\tat x"), out(3, "Caused by: y"), out(4, ""), out(5, "INFO fine")},
			[]string{"1 stdout error ERROR boom\n\tat x\nCaused by: y", "5 stdout info INFO fine"},
		},
		"the other stream between": {
			[]line{err(1, "ERROR boom"), out(2, "GET /"), err(3, "  at x"), out(4, "GET /"), err(5, "WARN")},
			[]string{"1 stderr error ERROR boom\n  at x", "2 stdout  GET /", "4 stdout  GET /", "5 stderr warn WARN"},
		},
		"much later": {
			[]line{out(1, "ERROR boom"), out(1000, "  an indented line")},
			[]string{"1 stdout error ERROR boom", "1000 stdout    an indented line"},
		},
		"its beginning is not there": {
			[]line{out(1, "\tat x"), out(2, "\tat y"), out(3, "INFO fine")},
			[]string{"1 stdout  \tat x\n\tat y", "3 stdout info INFO fine"},
		},
		"nothing": {},
	} {
		t.Run(name, func(t *testing.T) {
			a, got := told()
			for _, l := range c.lines {
				a.line(l, began)
			}
			a.endAll()
			if !slices.Equal(*got, c.want) {
				t.Errorf("got %q, want %q", *got, c.want)
			}
		})
	}
}

// What is logged is told soon, although nothing follows it that would end it.
func TestIdleEntriesEnd(t *testing.T) {
	a, got := told()
	a.line(line{at(1), stdout, "ERROR boom"}, began)
	a.endIdle(began.Add(soon / 2))
	if len(*got) != 0 {
		t.Fatalf("told at once: %q", *got)
	}
	a.endIdle(began.Add(soon + time.Millisecond))
	a.line(line{at(2), stdout, "\tat x"}, began)
	a.endAll()
	if want := []string{"1 stdout error ERROR boom", "2 stdout  \tat x"}; !slices.Equal(*got, want) {
		t.Errorf("got %q, want %q", *got, want)
	}
}

// Neither an entry without an end nor what waits for it takes much memory.
func TestEntriesAreBounded(t *testing.T) {
	entries, longest := 0, 0
	a := &assembler{to: func(e Entry) {
		entries++
		longest = max(longest, len(e.Message))
	}}
	a.line(line{at(0), stderr, "ERROR boom"}, began)
	for range 5000 {
		a.line(line{at(1), stdout, "GET /"}, began)
		if len(a.done) > maxDone+1 {
			t.Fatalf("%d entries wait", len(a.done))
		}
	}
	for range 5000 {
		a.line(line{at(1), stderr, strings.Repeat(" x", 500)}, began)
	}
	a.endAll()
	if entries < 5000 || longest > maxEntry {
		t.Errorf("%d entries, the longest of %d bytes", entries, longest)
	}
}
