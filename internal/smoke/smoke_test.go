package smoke

import (
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

func project(x any) *types.Project {
	return &types.Project{Name: "p", Extensions: types.Extensions{Extension: x}}
}

func TestRead(t *testing.T) {
	got, ok, err := Read(project(map[string]any{
		"service": "agent", "command": []any{"/learner", "-text", "hi"}, "timeout": "90s",
		"at-least": map[string]any{"ratio": 0.85, "answers": 1},
	}))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if got.Service != "agent" || strings.Join(got.Command, " ") != "/learner -text hi" || got.Timeout != 90*time.Second || got.AtLeast["ratio"] != 0.85 || got.AtLeast["answers"] != 1 {
		t.Errorf("got %+v", got)
	}
	if _, ok, err := Read(&types.Project{}); ok || err != nil {
		t.Errorf("a project without a smoke test: %v, %v", ok, err)
	}
	for name, bad := range map[string]map[string]any{
		"no command":  {"service": "agent"},
		"bad timeout": {"service": "a", "command": []any{"x"}, "timeout": "soon"},
		"bad number":  {"service": "a", "command": []any{"x"}, "at-least": map[string]any{"ratio": "much"}},
	} {
		if _, _, err := Read(project(bad)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestJudge(t *testing.T) {
	test := Test{Service: "agent", AtLeast: map[string]float64{"ratio": 0.85}}
	for name, c := range map[string]struct {
		answer map[string]any
		want   string
	}{
		"good enough": {map[string]any{"ratio": 0.85}, ""},
		"too low":     {map[string]any{"ratio": 0.5}, "ratio is 0.5, at least 0.85 is needed"},
		"missing":     {map[string]any{}, "ratio is <nil>, at least 0.85 is needed"},
	} {
		err := test.judge(c.answer)
		if (c.want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
