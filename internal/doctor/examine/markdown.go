package examine

import (
	"bytes"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// Markdown gives the report for GitHub's summary of a job.
func (r Report) Markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "### doctor: %s\n\n%s.\n", cell(r.Project), cell(r.counts()))
	if len(r.Findings) > 0 {
		b.WriteString("\n| | id | of | found | at | next |\n| --- | --- | --- | --- | --- | --- |\n")
	}
	for _, f := range r.Findings {
		mark := map[finding.Severity]string{
			finding.Info: "ℹ️ info", finding.Warning: "⚠️ warning", finding.Failure: "❌ error",
		}[f.Severity]
		found := cell(f.Evidence)
		if f.Cause != "" {
			found += "<br>" + cell(f.Cause)
		}
		for _, l := range f.Lines {
			found += "<br><code>" + cell(printable.Output(l)) + "</code>"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s | %s |\n", mark, f.ID, cell(strings.Join(f.Subjects, ", ")), found,
			cell(strings.Join(places(f.Places), ", ")), cell(f.Remedy))
	}
	if len(r.Ignored)+len(r.Unseen) > 0 {
		b.WriteByte('\n')
	}
	for _, i := range r.Ignored {
		fmt.Fprintf(&b, "- ignored `%s`%s: %s\n", i.ID, cell(about(i.Subjects)), cell(i.Reason))
	}
	for _, u := range r.Unseen {
		fmt.Fprintf(&b, "- not looked for: `%s`: %s\n", strings.Join(u.IDs, "`, `"), cell(u.Why))
	}
	return b.Bytes()
}

// marks are the characters by which Markdown would take a text for more than it is.
var marks = strings.NewReplacer("|", "\\|", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "]", "\\]", "~", "\\~",
	"@", "@\u200b")

// cell is a text from outside in a table: on one line, and nothing but text.
func cell(text string) string { return marks.Replace(html.EscapeString(printable.Line(text))) }

// relative is a place as seen from the working directory, where that is shorter.
func relative(p check.Place) string {
	dir, err := os.Getwd()
	if err != nil {
		return p.String()
	}
	if rel, err := filepath.Rel(dir, p.File); err == nil && len(rel) < len(p.File) {
		p.File = rel
	}
	return p.String()
}
