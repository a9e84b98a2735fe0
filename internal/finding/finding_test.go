package finding

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// The JSON of a finding is read by others: its keys and words stay.
func TestJSON(t *testing.T) {
	for _, c := range []struct {
		finding Finding
		want    string
	}{
		{Good("a.b", "it is %d", 1), `{"id":"a.b","severity":"ok","evidence":"it is 1"}`},
		{
			Fail(fault.Config, "a.b", "do", "it is %d", 1).Of("x", "y"),
			`{"id":"a.b","severity":"failure","subjects":["x","y"],"evidence":"it is 1","remedy":"do","exit_code":3}`,
		},
		{Warn("a.b", "do", "it is %d", 1), `{"id":"a.b","severity":"warning","evidence":"it is 1","remedy":"do"}`},
		{Tell("a.b", "", "it is %d", 1), `{"id":"a.b","severity":"info","evidence":"it is 1"}`},
	} {
		if got, err := json.Marshal(c.finding); err != nil || string(got) != c.want {
			t.Errorf("got %s, %v; want %s", got, err, c.want)
		}
		var back Finding
		if err := json.Unmarshal([]byte(c.want), &back); err != nil || !reflect.DeepEqual(back, c.finding) {
			t.Errorf("read back: %+v, %v; want %+v", back, err, c.finding)
		}
	}
}

func TestUnknownSeverity(t *testing.T) {
	if err := json.Unmarshal([]byte(`{"severity":"bad"}`), &Finding{}); err == nil {
		t.Error("an unknown severity was read")
	}
}

// Failures alone make an error: its exit code is the first one's, and each comes with its own advice.
func TestError(t *testing.T) {
	if err := Error("starting", []Finding{Good("a", "x"), Warn("b", "", "y"), Tell("c", "", "z")}); err != nil {
		t.Errorf("got %v", err)
	}
	err := Error("starting",
		[]Finding{
			Warn("b", "", "y"), Fail(fault.Registry, "c", "do this", "no image").Of("web", "api"),
			Fail(fault.Config, "d", "", "no file"),
		})
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Registry ||
		err.Error() != "starting \"web\", \"api\": no image\n  next: do this\nstarting: no file" {
		t.Errorf("got %v", err)
	}
}
