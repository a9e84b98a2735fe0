package ui

import (
	"go/ast"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/sources"
)

// printings are the places that print past this package, or are given a writer that does not filter.
var printings = map[string]string{
	"internal/image/build.go Build":             "to BuildKit's display, which internal/builddisplay feeds",
	"internal/dashboard/dashboard.go Suits":     "asks whether it is a terminal",
	"internal/dashboard/dashboard.go Run":       "to the live view, whose lines are printable",
	"internal/daemon/run.go Run":                "to a log file",
	"cmd/mage/main.go announce":                 "the one line before the targets are compiled",
	"magefiles/positional/positional.go help":   "texts of ours: the help",
	"magefiles/positional/positional.go settle": "texts of ours: the help",
	"magefiles/targets/menu.go Menu":            "what it prints goes through this package",
	"magefiles/targets/targets.go show":         "reports print through this package",
}

// TestAllIsPrintedHere fails for a new way to print that lets through what a terminal would obey.
func TestAllIsPrintedHere(t *testing.T) {
	var calls []sources.Call
	sources.Calls(t, func(c sources.Call) {
		if strings.HasPrefix(c.File, "internal/ui/") || strings.HasPrefix(c.File, "internal/fault/") {
			return
		}
		if prints(c) {
			calls = append(calls, c)
		}
	})
	sources.Allowed(t, calls, printings, "print it with internal/ui")
}

func prints(c sources.Call) bool {
	name := c.Name[strings.LastIndex(c.Name, ".")+1:]
	switch {
	case strings.HasPrefix(c.Name, "fmt.Print"), strings.HasPrefix(c.Name, "color."),
		strings.HasPrefix(c.Name, "log.Print"), strings.HasPrefix(c.Name, "log.Fatal"), name == "Screen",
		c.Name == "print", c.Name == "println":
		return true
	case strings.HasPrefix(c.Name, "fmt.Fprint"), c.Name == "io.WriteString":
		return !strings.HasPrefix(sources.Text(c.Args[0]), "&") // into a text that is printed later
	}
	for _, arg := range c.Args { // whoever is given these prints
		if text := sources.Text(arg); text == "os.Stdout" || text == "os.Stderr" {
			return !strings.HasPrefix(c.Name, "ui.") && c.Name != "writeJSON"
		}
	}
	return false
}

// TestFormatsAreOurs fails where a text from outside is given as a format: it would be printed as it is.
func TestFormatsAreOurs(t *testing.T) {
	sources.Calls(t, func(c sources.Call) {
		at := 0
		switch name := c.Name[strings.LastIndex(c.Name, ".")+1:]; {
		case c.Name == "ui.Fprintf":
			at = 1
		case strings.HasPrefix(c.File, "internal/ui/"), !strings.Contains(strings.ToLower(c.Name), "out."):
			return
		case name != "Title" && name != "Info" && name != "Done" && name != "Failed" && name != "Warn":
			return
		}
		if !written(c.Args[at]) {
			t.Errorf("%s: its format is no text of ours", c)
		}
	})
}

// written says whether the text is written out in the source.
func written(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.BinaryExpr:
		return written(e.X) && written(e.Y)
	}
	return false
}
