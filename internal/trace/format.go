package trace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// event is an event of the Trace Event Format, which is described in
// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU.
type event struct {
	Name     string         `json:"name"`
	Category string         `json:"cat,omitempty"`
	Phase    string         `json:"ph"` // X is a complete event, s and f the ends of an arrow, M is metadata
	Time     int64          `json:"ts"` // microseconds
	Duration *int64         `json:"dur,omitempty"`
	Process  int            `json:"pid"` // a timeline
	Thread   int            `json:"tid"` // a lane of it
	ID       int            `json:"id,omitempty"`
	Bind     string         `json:"bp,omitempty"` // "e": an arrow ends at the event that it is within
	Args     map[string]any `json:"args,omitempty"`
}

// mostName is the most of a name, or of another text, that is written, in bytes.
const mostName = 200

// text makes a text from outside fit for a viewer.
func text(s string) string {
	return shorten(wholeText(s), mostName)
}

// wholeText is text for what is told once, such as the critical path.
func wholeText(s string) string { return printable.Line(fault.Redact(bounded.Line(s))) }

func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	cut := most
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// events gives the events of timelines, each a process. began is the time 0.
func events(timelines []Timeline, began time.Time) []event {
	var out []event
	arrows := 0
	for i, t := range timelines {
		process := i + 1
		places, threads := placed(t, began)
		about := func(name string, thread int, arg string, value any) {
			out = append(out, event{
				Name: name, Phase: "M", Process: process, Thread: thread, Args: map[string]any{arg: value},
			})
		}
		about("process_name", 0, "name", text(title(t)))
		about("process_sort_index", 0, "sort_index", process)
		for n, name := range threads {
			about("thread_name", n+1, "name", text(name))
			about("thread_sort_index", n+1, "sort_index", n+1)
		}
		for n, s := range t.Spans {
			out = append(out, complete(s, places[n], process))
			for _, a := range s.After {
				at := a.At.Sub(began).Microseconds()
				if a.Span < 0 || a.Span >= len(places) || places[a.Span].begin > places[n].end {
					continue
				}
				arrows++
				out = append(out, arrow(places[a.Span], places[n], at, process, arrows)...)
			}
		}
	}
	return out
}

// title names a timeline: "start shop".
func title(t Timeline) string {
	if t.Project == "" {
		return t.What
	}
	return t.What + " " + t.Project
}

// complete is the event of a span.
func complete(s Span, p place, process int) event {
	e := event{
		Name: text(s.Name), Category: text(string(s.Kind)), Phase: "X", Time: p.begin, Process: process,
		Thread: p.thread, Args: map[string]any{},
	}
	duration := p.end - p.begin
	e.Duration = &duration
	for _, f := range s.Facts {
		value := f.Value
		if t, ok := value.(string); ok {
			value = text(t)
		}
		e.Args[text(f.Name)] = value
	}
	if s.Lane != "" {
		e.Args["service"] = text(s.Lane)
	}
	if s.Failed {
		e.Args["failed"] = true
	}
	if s.Critical {
		e.Args["critical"] = true
		if s.Kind != Path {
			e.Category += "," + string(Path)
		}
	}
	return e
}

// arrow is the two events of an arrow. The first has to be within the span that it comes from, and a span's end is
// not within it.
func arrow(from, to place, at int64, process, id int) []event {
	at = max(min(at, from.end-1, to.end), from.begin)
	e := event{Name: "after", Category: "after", Process: process, ID: id}
	first, last := e, e
	first.Phase, first.Time, first.Thread = "s", at, from.thread
	last.Phase, last.Time, last.Thread, last.Bind = "f", max(at, to.begin), to.thread, "e"
	return []event{first, last}
}

// Write writes timelines as a file of the Trace Event Format, an event a line; facts go into its metadata. began is
// the time 0.
func Write(w io.Writer, timelines []Timeline, began time.Time, facts map[string]any) error {
	for name, value := range facts {
		if t, ok := value.(string); ok {
			facts[name] = wholeText(t)
		}
	}
	head, err := json.Marshal(facts)
	if err != nil {
		return fmt.Errorf("writing a trace: %w", err)
	}
	var b bytes.Buffer
	to := ui.JSON(&b)
	fmt.Fprintf(&b, "{\"displayTimeUnit\":\"ms\",\"otherData\":")
	_, _ = to.Write(head)
	b.WriteString(",\"traceEvents\":[\n")
	for i, e := range events(timelines, began) {
		if i > 0 {
			b.WriteString(",\n")
		}
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("writing a trace: %w", err)
		}
		_, _ = to.Write(line)
	}
	b.WriteString("\n]}\n")
	_, err = w.Write(b.Bytes())
	return err
}
