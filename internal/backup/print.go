package backup

import (
	"fmt"
	"strings"

	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Print writes the plan: what is saved and what is not, and what is done about each service.
func (p Plan) Print(out *ui.Out) {
	out.Title("backup of %s to %s", p.Project, p.Repository)
	var rows [][]string
	for _, v := range p.Volumes {
		rows = append(rows, []string{v.Key, v.Name, v.Holds})
	}
	if len(rows) > 0 {
		ui.Table(out.Writer(), []string{"VOLUME", "NAME", "HOLDS"}, rows)
	}
	rows = nil
	for _, u := range p.Users {
		rows = append(rows, []string{u.Container, p.consistency(u), commands(u)})
	}
	for _, u := range p.Dumps {
		rows = append(rows, []string{u.Container, "gives a dump", commands(u)})
	}
	if len(rows) > 0 {
		ui.Table(out.Writer(), []string{"CONTAINER", "MEANWHILE", "RUNS"}, rows)
	}
	if p.Helper != "" {
		out.Info("a container reads them: %s", p.Helper)
	}
	rows = nil
	for _, l := range p.Left {
		rows = append(rows, []string{l.Name, l.Why})
	}
	if len(rows) > 0 {
		ui.Table(out.Writer(), []string{"NOT SAVED", "WHY"}, rows)
	}
	out.Info("with them: the Compose files, .env, the secrets and the digests of the images")
}

// consistency is what is done about a container, for a person.
func (p Plan) consistency(u User) string {
	switch u.By {
	case extension.BackupStop:
		return "is stopped, and started again"
	case extension.BackupNone:
		return "writes on"
	}
	return fmt.Sprintf("stands still, for at most %s", ui.Seconds(p.Freeze))
}

// commands are what is run in a container.
func commands(u User) string {
	if u.Recipe != "" {
		return "what is known of " + u.Recipe
	}
	var out []string
	for _, c := range [][]string{u.Before, u.Dump, u.After} {
		if len(c) > 0 {
			out = append(out, c[0])
		}
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, ", ")
}
