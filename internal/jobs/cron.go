package jobs

import (
	"fmt"
	"strings"

	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// cronMark begins the line above each of ours.
const cronMark = "# compose-mage: "

// cronLines are the two lines of the job: a remark, and when to run the script. cron takes a % for the end of the
// command, unless a backslash stands before it.
func (p Place) cronLines(at string) string {
	when := "*/5 * * * *" // whether it runs is looked at every five minutes; a second one ends at once
	if !p.Job.Always() {
		when = fmt.Sprintf("%s %s * * *", strings.TrimPrefix(at[3:], "0"), strings.TrimPrefix(at[:2], "0"))
	}
	removal := "go tool mage schedule -remove " + p.Job.Name
	return fmt.Sprintf("%s%s in %s; %s takes it away\n%s %s\n", cronMark, p.title(), printable.Line(p.Folder), removal,
		when, p.cronCommand())
}

func (p Place) cronCommand() string {
	return "/bin/sh " + strings.ReplaceAll(quoted(p.script()), "%", `\%`)
}

// withLines gives a crontab with the job's lines, or without them. Every other line stays as it is, byte for byte, and
// other lines of the job are replaced.
func (p Place) withLines(crontab, at string, remove bool) string {
	if !remove && strings.Contains("\n"+crontab, "\n"+p.cronLines(at)) {
		return crontab
	}
	var kept []string
	for line := range strings.Lines(crontab) {
		if strings.HasSuffix(strings.TrimRight(line, "\n"), " "+p.cronCommand()) {
			if n := len(kept); n > 0 && strings.HasPrefix(kept[n-1], cronMark+p.title()+" in ") {
				kept = kept[:n-1]
			}
			continue
		}
		kept = append(kept, line)
	}
	text := strings.Join(kept, "")
	if remove {
		return text
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + p.cronLines(at)
}
