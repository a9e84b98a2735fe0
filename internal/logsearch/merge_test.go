package logsearch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// logs makes some, of so many lines each, at times that are in order within each.
func logs(n, lines int) (out []Log) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // of a test
	for i := range n {
		var text strings.Builder
		ms := 0
		for j := range lines {
			ms += random.IntN(20)
			stream := []byte{stdout, stderr}[random.IntN(2)]
			text.WriteString(frame(stream, ms, fmt.Sprintf("INFO %d %d\n", i, j)))
		}
		out = append(out, Log{
			Service: fmt.Sprint("s", i), Container: fmt.Sprintf("s%d-1", i),
			Open: func(context.Context) (io.ReadCloser, bool, error) {
				return io.NopCloser(strings.NewReader(text.String())), false, nil
			},
		})
	}
	return out
}

func TestPastIsInTheOrderOfTime(t *testing.T) {
	var all []Entry
	err := past(t.Context(), logs(7, 500), filter{}, func(e Entry) error {
		all = append(all, e)
		return nil
	})
	if err != nil || len(all) != 7*500 {
		t.Fatalf("%d entries, %v", len(all), err)
	}
	if !slices.IsSortedFunc(all, func(a, b Entry) int { return a.Time.Compare(b.Time) }) {
		t.Error("not in the order of time")
	}
}

// A log that can't be read, or has ended in the middle, is told of; all others are given.
func TestPastTellsWhatItCouldNotRead(t *testing.T) {
	all := logs(2, 10)
	all[1].Open = func(context.Context) (io.ReadCloser, bool, error) { return nil, false, errors.New("no") }
	n := 0
	err := past(t.Context(), all, filter{}, func(Entry) error { n++; return nil })
	if n != 10 || fmt.Sprint(err) != "reading the log of s1-1: no" {
		t.Errorf("%d entries, %v", n, err)
	}
}

// Who does not want more ends it.
func TestPastEndsWhereItsOutputDoes(t *testing.T) {
	full := errors.New("full")
	n := 0
	err := past(t.Context(), logs(3, 5000), filter{}, func(Entry) error {
		if n++; n == 10 {
			return full
		}
		return nil
	})
	if n != 10 || !errors.Is(err, full) {
		t.Errorf("%d entries, %v", n, err)
	}
}

// What two containers log at about the same time is told in order, whichever is read first, once it has waited.
func TestLiveWaitsForOlderEntries(t *testing.T) {
	var got []string
	l := newLive(filter{}, func(e Entry) error {
		got = append(got, e.Container)
		return nil
	})
	take := func(name string, ms int, arrived time.Time) {
		l.take(Entry{Container: name, Time: at(ms), arrived: arrived})
	}
	take("b", 20, began)
	take("a", 10, began.Add(time.Millisecond))
	take("c", 30, began.Add(2*time.Millisecond))
	l.release(began.Add(held / 2))
	if len(got) != 0 {
		t.Fatalf("told at once: %q", got)
	}
	l.release(began.Add(held + time.Millisecond))
	if want := []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := l.end(); err != nil || !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("at the end %q, %v", got, err)
	}
	for range 3 * mostHeld {
		take("d", 40, began.Add(time.Hour))
		l.release(began)
	}
	if len(l.waiting) > mostHeld {
		t.Errorf("%d entries wait", len(l.waiting))
	}
	for range 100 {
		l.take(Entry{Message: strings.Repeat("x", 1<<20), Time: at(50), arrived: began.Add(time.Hour)})
		l.release(began)
	}
	if l.bytes > 8*maxEntry {
		t.Errorf("%d bytes wait", l.bytes)
	}
}

func TestRequests(t *testing.T) {
	error17 := Entry{Message: "ERROR order 17 failed\n\tat pay", level: 5}
	plain := Entry{Message: "listening"}
	for _, c := range []struct {
		grep, level  string
		refused      string
		error, plain bool // whether the entries are wanted
	}{
		{"", "", "", true, true},
		{"order [0-9]+", "", "", true, false},
		{"^\tat", "", "", true, false},
		{"(?i)LISTEN", "", "", false, true},
		{"(?s)order.*pay", "", "", true, false},
		{"", "warn", "", true, false},
		{"", "INFO", "", true, true},
		{"", "debug", "", true, true},
		{"listening", "error", "", false, false},
		{"", "bad", "-level=bad is none of trace, debug, info, warn, error", false, false},
		{"a(b", "", "missing closing )", false, false},
		{`\`, "", "trailing backslash", false, false},
	} {
		r := Request{Grep: c.grep, Level: c.level}
		f, err := r.filter()
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) || r.Validate() == nil {
				t.Errorf("%+v: error %v", c, err)
			}
			continue
		}
		if err != nil || f.wants(error17) != c.error || f.wants(plain) != c.plain {
			t.Errorf("%+v: error %v, wants %t and %t", c, err, f.wants(error17), f.wants(plain))
		}
	}
}

func TestLinesLookedAt(t *testing.T) {
	for want, r := range map[string]Request{
		"100": {JSON: true}, "all": {Grep: "x"}, "5": {Level: "warn", Tail: "5"},
	} {
		if r.lines() != want || !r.Searches() {
			t.Errorf("%+v: %s", r, r.lines())
		}
	}
	if (Request{Follow: true, Since: "1m"}).Searches() {
		t.Error("plain lines are a search")
	}
}

func TestOutput(t *testing.T) {
	entries := []Entry{
		{
			Time: at(0), Service: "web", Container: "web-1", Stream: "stderr", Level: "error",
			Message: "ERROR redis 17 \x1b[31m",
		},
		{Time: at(1), Service: "web", Container: "web-2", Stream: "stdout", Message: "a\n\tb"},
		{Time: at(2), Service: "web", Container: "web-2", Stream: "stderr", Level: "error", Message: "ERROR redis 18"},
	}
	for name, c := range map[string]struct {
		r    Request
		want string
	}{
		"text": {Request{}, "web-1 | ERROR redis 17 \x1b[31m\nweb-2 | a\nweb-2 | \tb\nweb-2 | ERROR redis 18\n"},
		"json": {Request{JSON: true}, `{"time":"2026-11-27T10:00:00Z","service":"web","container":"web-1",` +
			`"stream":"stderr","level":"error","message":"ERROR redis 17 \u001b[31m"}` + "\n" +
			`{"time":"2026-11-27T10:00:00.001Z","service":"web","container":"web-2","stream":"stdout",` +
			`"message":"a\n\tb"}` + "\n" +
			`{"time":"2026-11-27T10:00:00.002Z","service":"web","container":"web-2","stream":"stderr",` +
			`"level":"error","message":"ERROR redis 18"}` + "\n"},
		"groups": {Request{Group: true, JSON: true}, `{"count":2,"service":"web","level":"error",` +
			`"template":"redis *","first":"2026-11-27T10:00:00Z","last":"2026-11-27T10:00:00.002Z"}` + "\n" +
			`{"count":1,"service":"web","template":"a","first":"2026-11-27T10:00:00.001Z",` +
			`"last":"2026-11-27T10:00:00.001Z"}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			o := newOutput(&b, c.r, len("web-1"))
			for _, e := range entries {
				if err := o.entry(e); err != nil {
					t.Fatal(err)
				}
			}
			if err := o.end(began); err != nil || b.String() != c.want {
				t.Errorf("%v, got\n%s\nwant\n%s", err, b.String(), c.want)
			}
		})
	}
}

func TestGroupsInATable(t *testing.T) {
	var b bytes.Buffer
	o := newOutput(&b, Request{Group: true}, 0)
	for i := range maxGroups + 100 {
		for range 2 {
			letters := strings.Map(func(r rune) rune { return r - '0' + 'g' }, fmt.Sprint(i)) // no digits
			_ = o.entry(Entry{Time: at(i), Service: "web", Level: "error", Message: "ERROR x" + letters})
		}
	}
	if err := o.end(began.AddDate(0, 0, 1)); err != nil || len(o.groups.of) != maxGroups {
		t.Errorf("%v, %d groups", err, len(o.groups.of))
	}
	first := began.Local().Format("2006-01-02 15:04")
	for _, want := range []string{"COUNT", "2×", "error", "web", first, "xg", "200 entries of further kinds"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("nothing of %q", want)
		}
	}
}
