package smoke

import (
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/compose"
)

func TestJudge(t *testing.T) {
	smoke := test{compose.Smoke{Service: "agent", AtLeast: map[string]float64{"ratio": 0.85}}}
	for name, c := range map[string]struct {
		answer map[string]any
		want   string
	}{
		"good enough": {map[string]any{"ratio": 0.85}, ""},
		"too low":     {map[string]any{"ratio": 0.5}, "ratio is 0.5, at least 0.85 is needed"},
		"missing":     {map[string]any{}, "ratio is <nil>, at least 0.85 is needed"},
	} {
		err := smoke.judge(c.answer)
		if (c.want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
