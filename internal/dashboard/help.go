package dashboard

import (
	"github.com/charmbracelet/x/ansi"
)

// helps are what the keys do.
var helps = []hint{
	{"↑ ↓ j k", "select a container; in a log or a text: scroll"},
	{"PgUp PgDn Home End", "the same by pages, to the first and the last"},
	{"Enter", "the container's figures and its last hour"},
	{"Tab", "in a container's figures: the next one (Shift-Tab: the one before)"},
	{"l", "its log, which follows; scrolled back, it stays where it is"},
	{"r", "restart its service, as go tool mage restart SERVICE does; asks before"},
	{"s S", "sort by the next column; turn the order round"},
	{"/", "filter: only what has this in its name or its state"},
	{"f", "all findings, each with what to do next"},
	{"Esc", "back"},
	{"Ctrl-Z", "suspend"},
	{"q Ctrl-C", "quit"},
}

// titles explain the columns whose title does not.
var titles = []hint{
	{"OF LIMIT", "of the container's own limit; without one of the machine's, in grey"},
	{"HELD", "part of the scheduler's periods in which the CPU limit held it back"},
	{"CHECK", "how long the last health check took, the start of its process included"},
	{"ANSWER", "how long the service itself took to answer"},
	{"IN/S OUT/S", "network; READ/S WRITE/S: disk"},
	{"ERR/M", "errors in its log in the last minute"},
	{"RST OOM", "restarts by the engine; kills for want of memory"},
	{"UP", "since its start"},
}

func helpLines(width int) []line {
	var out []line
	for i, list := range [][]hint{helps, titles} {
		if i > 0 {
			out = append(out, line{})
		}
		for _, h := range list {
			lead := cell(own(" "+h.key, strong), 20, false)
			if width < 2*leastWidth {
				lead = cell(own(" "+h.key, strong), 12, false)
				if ansi.StringWidth(h.key) > 10 {
					out = append(out, line{own(" "+h.key, strong)})
					lead = cell(own("", strong), 12, false)
				}
			}
			out = append(out, wrapped(lead, h.does, ordinary, width)...)
		}
	}
	return out
}
