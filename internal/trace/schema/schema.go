// Package schema owns, for tests, the rules that the document of the Trace Event Format has for a file, and those
// without which viewers draw nothing or something else: which keys an event of each phase must have and of which
// type, and that what belongs together is there.
package schema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// Event is an event of a file.
type Event struct {
	Name     *string        `json:"name"`
	Category string         `json:"cat"`
	Phase    string         `json:"ph"`
	Time     *float64       `json:"ts"` // microseconds
	Duration *float64       `json:"dur"`
	Process  *int           `json:"pid"`
	Thread   *int           `json:"tid"`
	ID       any            `json:"id"`
	Bind     string         `json:"bp"`
	Args     map[string]any `json:"args"`
}

// End is when a complete event ends, in microseconds.
func (e Event) End() float64 { return *e.Time + *e.Duration }

// File is a file in the format's JSON object form.
type File struct {
	Events []Event        `json:"traceEvents"`
	Unit   string         `json:"displayTimeUnit"`
	Other  map[string]any `json:"otherData"`
}

// Read reads a file and checks it. Keys that the document does not have, and types that it does not allow, are errors.
func Read(data []byte) (File, error) {
	var f File
	decoder := json.NewDecoder(bytes.NewBuffer(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return f, fmt.Errorf("reading a trace: %w", err)
	}
	switch {
	case decoder.More():
		return f, fmt.Errorf("there is more than one value")
	case f.Events == nil:
		return f, fmt.Errorf("traceEvents is not there")
	case f.Unit != "" && f.Unit != "ms" && f.Unit != "ns":
		return f, fmt.Errorf("displayTimeUnit is %q", f.Unit)
	}
	for i, e := range f.Events {
		if err := e.check(); err != nil {
			return f, fmt.Errorf("event %d: %w", i, err)
		}
	}
	if err := f.nested(); err != nil {
		return f, err
	}
	return f, f.paired()
}

// check holds an event against what its phase asks for. The phases are those that we write.
func (e Event) check() error {
	switch {
	case e.Name == nil || *e.Name == "":
		return fmt.Errorf("it has no name")
	case e.Process == nil || e.Thread == nil:
		return fmt.Errorf("%q has no pid or no tid", *e.Name)
	case e.Phase == "M":
		return e.checkMetadata()
	case e.Time == nil || *e.Time < 0:
		return fmt.Errorf("%q has no time, or one before the first", *e.Name)
	case e.Category == "":
		return fmt.Errorf("%q has no category", *e.Name)
	}
	switch e.Phase {
	case "X":
		if e.Duration == nil || *e.Duration < 0 {
			return fmt.Errorf("%q has no duration, or a negative one", *e.Name)
		}
	case "s", "f":
		if e.ID == nil {
			return fmt.Errorf("%q has no ID", *e.Name)
		}
		if e.Phase == "f" && e.Bind != "" && e.Bind != "e" {
			return fmt.Errorf("%q binds to %q", *e.Name, e.Bind)
		}
	default:
		return fmt.Errorf("%q is of the phase %q", *e.Name, e.Phase)
	}
	return nil
}

func (e Event) checkMetadata() error {
	var ok bool
	switch *e.Name {
	case "process_name", "thread_name":
		_, ok = e.Args["name"].(string)
	case "process_sort_index", "thread_sort_index":
		_, ok = e.Args["sort_index"].(float64)
	case "process_labels":
		_, ok = e.Args["labels"].(string)
	default:
		return fmt.Errorf("there is no metadata %q", *e.Name)
	}
	if !ok {
		return fmt.Errorf("%q says nothing", *e.Name)
	}
	return nil
}

type thread struct{ process, thread int }

func (e Event) thread() thread { return thread{*e.Process, *e.Thread} }

// nested says where two complete events of a thread overlap without one lying in the other: a viewer leaves one out.
func (f File) nested() error {
	threads := map[thread][]Event{}
	for _, e := range f.Events {
		if e.Phase == "X" {
			threads[e.thread()] = append(threads[e.thread()], e)
		}
	}
	for t, all := range threads {
		slices.SortStableFunc(all, func(a, b Event) int {
			return cmp.Or(cmp.Compare(*a.Time, *b.Time), cmp.Compare(*b.Duration, *a.Duration))
		})
		var open []Event
		for _, e := range all {
			for len(open) > 0 && open[len(open)-1].End() <= *e.Time {
				open = open[:len(open)-1]
			}
			if len(open) > 0 && e.End() > open[len(open)-1].End() {
				return fmt.Errorf("thread %v: %q and %q overlap", t, *open[len(open)-1].Name, *e.Name)
			}
			open = append(open, e)
		}
	}
	return nil
}

// paired says which arrow has not both its ends, ends before it begins, or has an end that is within no event of its
// thread.
func (f File) paired() error {
	type key struct {
		name, category string
		id             any
	}
	firsts, lasts := map[key]Event{}, map[key]Event{}
	for _, e := range f.Events {
		if e.Phase != "s" && e.Phase != "f" {
			continue
		}
		ends := firsts
		if e.Phase == "f" {
			ends = lasts
		}
		k := key{*e.Name, e.Category, e.ID}
		if _, twice := ends[k]; twice {
			return fmt.Errorf("arrow %v has two ends of phase %s", e.ID, e.Phase)
		}
		if ends[k] = e; !f.inside(e) {
			return fmt.Errorf("arrow %v: its end of phase %s is within nothing", e.ID, e.Phase)
		}
	}
	if len(firsts) != len(lasts) {
		return fmt.Errorf("%d arrows begin, and %d end", len(firsts), len(lasts))
	}
	for k, first := range firsts {
		last, there := lasts[k]
		if !there || *last.Time < *first.Time {
			return fmt.Errorf("arrow %v does not end, or ends before it begins", k.id)
		}
	}
	return nil
}

func (f File) inside(end Event) bool {
	return slices.ContainsFunc(f.Events, func(e Event) bool {
		return e.Phase == "X" && e.thread() == end.thread() && *e.Time <= *end.Time && *end.Time <= e.End()
	})
}
