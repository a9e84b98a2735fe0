package examine

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// columns is the width of the text.
const columns = 80

// margin is what the output puts before each line.
const margin = 3

// Print writes the report for people.
func (r Report) Print(out *ui.Out) {
	title := "doctor"
	if r.Project != "" {
		title += ": " + r.Project
	}
	out.Title("%s", title)
	for _, f := range r.Findings {
		printFinding(out, f)
	}
	for _, i := range r.Ignored {
		paragraph(out.Info, "", fmt.Sprintf("ignored %s%s: %s", i.ID, about(i.Subjects), i.Reason))
	}
	for _, u := range r.Unseen {
		paragraph(out.Info, "", fmt.Sprintf("not looked for: %s: %s", which(u.IDs), u.Why))
	}
	paragraph(out.Info, "", r.counts())
}

// mostIDs is how many ids are named of which nothing could be said for one reason.
const mostIDs = 12

// which names ids, or says how many there are: where the files do not load, nearly all can't be looked for. JSON and
// Markdown name them all.
func which(ids []string) string {
	if len(ids) > mostIDs {
		return fmt.Sprintf("%d kinds of trouble (-json names them)", len(ids))
	}
	return strings.Join(ids, ", ")
}

func about(services []string) string {
	if len(services) == 0 {
		return ""
	}
	return " of " + strings.Join(services, ", ")
}

func printFinding(out *ui.Out, f check.Finding) {
	line := map[finding.Severity]func(string, ...any){
		finding.Info: out.Info, finding.Warning: out.Warn, finding.Failure: out.Failed,
	}[f.Severity]
	head := f.ID
	if len(f.Subjects) > 0 {
		head += "  " + strings.Join(f.Subjects, ", ")
	}
	line("%s", head)
	paragraph(out.Info, "  ", f.Evidence)
	if len(f.Places) > 0 {
		paragraph(out.Info, "  at: ", strings.Join(places(f.Places), ", "))
	}
	if len(f.Containers) > 0 {
		paragraph(out.Info, "  in: ", strings.Join(f.Containers, ", "))
	}
	for _, l := range f.Lines {
		out.Info("  | %s", cut(printable.Output(l), columns-margin-len("  | ")))
	}
	if f.Cause != "" {
		paragraph(out.Info, "  why: ", f.Cause)
	}
	if f.Remedy != "" {
		paragraph(out.Info, "  next: ", f.Remedy)
	}
}

// most places that one finding names.
const mostPlaces = 5

func places(all []check.Place) []string {
	var out []string
	for i, p := range all {
		if i == mostPlaces {
			return append(out, fmt.Sprintf("and %d more", len(all)-i))
		}
		out = append(out, relative(p))
	}
	return out
}

// paragraph prints text in lines of the width; head stands before the first, and the others are as far in.
func paragraph(line func(string, ...any), head, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(head))
	for i, l := range wrapped(printable.Line(text), columns-margin-len(indent)) {
		if i > 0 {
			head = indent
		}
		line("%s", head+l)
	}
}

// wrapped breaks text at its spaces into lines of at most width runes; a longer word has a line of its own.
func wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

func cut(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}

// severities says how many findings of each severity there are.
func (r Report) severities() string {
	return fmt.Sprintf("%s, %s, %s", several(r.count(finding.Failure), "error"),
		several(r.count(finding.Warning), "warning"), several(r.count(finding.Info), "note"))
}

// counts says in one sentence what came out.
func (r Report) counts() string {
	text := r.severities()
	if len(r.Findings) == 0 {
		text = "nothing is wrong"
	}
	if n := len(r.Ignored); n > 0 {
		text += fmt.Sprintf("; %d ignored", n)
	}
	missed := 0
	for _, u := range r.Unseen {
		missed += len(u.IDs)
	}
	text += fmt.Sprintf("; %s", several(r.Rules, "kind of trouble", "kinds of trouble")+" looked for")
	if missed > 0 {
		text += fmt.Sprintf(", %d of them not, or not everywhere", missed)
	}
	return text
}

// several gives a number with its noun; forms has the plural where that is not the noun with an s.
func several(n int, noun string, forms ...string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case len(forms) > 0:
		return fmt.Sprintf("%d %s", n, forms[0])
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
