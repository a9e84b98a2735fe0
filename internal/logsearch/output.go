package logsearch

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/logerrors"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// output prints entries, or counts them.
type output struct {
	to     io.Writer
	json   bool
	width  int // of the containers' names
	groups *groups
}

func newOutput(w io.Writer, r Request, width int) *output {
	out := &output{to: w, json: r.JSON, width: width}
	if r.Group {
		out.groups = &groups{of: map[kind]*Group{}}
	}
	return out
}

func (o *output) entry(e Entry) error {
	switch {
	case o.groups != nil:
		o.groups.add(e)
		return nil
	case o.json:
		return ui.WriteJSON(o.to, e, "")
	}
	whose := ui.Cyan(fmt.Sprintf("%-*s | ", o.width, e.Container))
	for text := range strings.SplitSeq(e.Message, "\n") {
		ui.LogLine(o.to, whose, text)
	}
	return nil
}

// end prints what was counted.
func (o *output) end(now time.Time) error {
	if o.groups == nil {
		return nil
	}
	all := o.groups.sorted()
	if o.json {
		for _, g := range all {
			if err := ui.WriteJSON(o.to, g, ""); err != nil {
				return err
			}
		}
		return nil
	}
	rows := make([][]string, 0, len(all))
	for _, g := range all {
		rows = append(rows, g.row(now))
	}
	ui.Table(o.to, []string{"COUNT", "LEVEL", "SERVICE", "SINCE", "LAST", "MESSAGE"}, rows)
	if o.groups.others > 0 {
		ui.New(o.to).Info("%d entries of further kinds", o.groups.others)
	}
	return nil
}

// Group is a kind of entries: those that differ in numbers, identifiers, times and quoted text alone.
type Group struct {
	Count    int64     `json:"count"`
	Service  string    `json:"service"`
	Level    string    `json:"level,omitempty"`
	Template string    `json:"template"` // what the entries say, with what differs as *
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
}

// row is a group in a line of a table: 47× error web 10:02:11 10:05:40 redis: connection refused to *.
func (g Group) row(now time.Time) []string {
	return []string{
		fmt.Sprintf("%d×", g.Count), cmp.Or(g.Level, "-"), g.Service, clock(g.First, now), clock(g.Last, now),
		g.Template,
	}
}

// clock is a time of today, or a time with its day.
func clock(at, now time.Time) string {
	at, now = at.Local(), now.Local()
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format(time.TimeOnly)
	}
	return at.Format("2006-01-02 15:04")
}

// maxGroups is how many kinds are told apart.
const maxGroups = 2000

type kind struct{ service, level, template string }

type groups struct {
	of     map[kind]*Group
	others int64
}

func (g *groups) add(e Entry) {
	k := kind{e.Service, e.Level, logerrors.TemplateOf(e.Message)}
	known := g.of[k]
	if known == nil {
		if len(g.of) >= maxGroups {
			g.others++
			return
		}
		known = &Group{Service: k.service, Level: k.level, Template: k.template, First: e.Time, Last: e.Time}
		g.of[k] = known
	}
	known.Count++
	if e.Time.Before(known.First) {
		known.First = e.Time
	}
	if e.Time.After(known.Last) {
		known.Last = e.Time
	}
}

// sorted has the most frequent first.
func (g *groups) sorted() []Group {
	out := make([]Group, 0, len(g.of))
	for _, group := range g.of {
		out = append(out, *group)
	}
	slices.SortFunc(out, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.First.Compare(b.First), cmp.Compare(a.Service, b.Service),
			cmp.Compare(a.Template, b.Template))
	})
	return out
}
