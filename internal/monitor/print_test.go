package monitor

import (
	"bytes"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/ui"
)

func TestErrorsAreAColumnWhereTheyAreCounted(t *testing.T) {
	web := Replica{Service: "web", Container: "shop-web-1", State: "running"}
	for name, c := range map[string]struct {
		log  LogErrors
		want []string // the last cells of header and row
	}{
		"nobody counts": {LogErrors{}, []string{"ANSWER", "-"}},
		"counted":       {LogErrors{Source: "file", PerMinute: 42}, []string{"ERR/MIN", "42"}},
		"none so far":   {LogErrors{Source: "engine"}, []string{"ERR/MIN", "0"}},
	} {
		web.Log = c.log
		var out bytes.Buffer
		Snapshot{Services: []Replica{web}}.PrintRates(ui.New(&out))
		for i, line := range strings.SplitN(out.String(), "\n", 3)[:2] {
			if cells := strings.Fields(line); cells[len(cells)-1] != c.want[i] {
				t.Errorf("%s: %q, want the last to be %q", name, line, c.want[i])
			}
		}
	}
}
