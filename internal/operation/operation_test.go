package operation

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// at is so many milliseconds after the start.
func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

func TestText(t *testing.T) {
	got := Text([]Operation{
		{Kind: Recreate, Resource: "network shop_back", Cause: "its settings changed"},
		{Kind: Create, Service: "web", Count: 2, Needs: after(0)},
		{Kind: Stop, Service: "db", Container: "shop-db-2", Count: 1},
		{Kind: Start, Service: "web", Needs: []Need{{Operation: 1}, {Operation: 2, Healthy: true, Optional: true}}},
	})
	if want := `[] 0 recreate network shop_back: its settings changed
[0] 1 create web (2)
[] 2 stop shop-db-2
[1 2h?] 3 start web
`; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// after needs an operation's end.
func after(n int) []Need { return []Need{{Operation: n}} }

// ran is a plan that was run: db, a job that is healthy before it ends, and web that waits for both.
func ran() []Operation {
	return []Operation{
		{Kind: Create, Resource: "network shop_default", Began: at(0), Ended: at(50)},
		{Kind: Start, Service: "db", Began: at(0), Admitted: at(200), Ended: at(400), Needs: after(0)},
		{Kind: Wait, Service: "db", Began: at(400), Ended: at(1000), Needs: after(1)},
		{Kind: Start, Service: "job", Began: at(0), Admitted: at(100), Ended: at(300)},
		{Kind: Wait, Service: "job", Began: at(300), Healthy: at(1200), Ended: at(5000), Needs: after(3)},
		{Kind: Start, Service: "web", Began: at(1200), Admitted: at(1300), Ended: at(1400), Needs: []Need{
			{Operation: 2, Healthy: true}, {Operation: 4, Healthy: true},
		}},
		{Kind: Wait, Service: "web", Began: at(1400), Ended: at(6000), Needs: after(5)},
	}
}

func TestTimings(t *testing.T) {
	got := Timings(ran(), at(0))
	want := map[string]Timing{
		"db":  {Released: at(0), Admitted: at(200), Ready: at(1000)},
		"job": {Released: at(0), Admitted: at(100), Ready: at(5000)},
		"web": {Released: at(1200), By: "job", Admitted: at(1300), Ready: at(6000)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	all := ran()
	all[5].Needs = []Need{{Operation: 2}, {Operation: 4}} // web waits for the job's end
	if web := Timings(all, at(0))["web"]; !web.Released.Equal(at(5000)) || web.By != "job" {
		t.Errorf("after the job's end: %+v", web)
	}
}

func TestCritical(t *testing.T) {
	chain := Critical(Timings(ran(), at(0)))
	want := []Link{{Service: "job", Seconds: 5}, {Service: "web", Seconds: 4.8}}
	if !reflect.DeepEqual(chain, want) {
		t.Errorf("got %+v, want %+v", chain, want)
	}
	queued := []Link{{Service: "db", Seconds: 1.4}, {Service: "web", Seconds: 2, Queued: 0.5}}
	if text := ChainText(queued); text != "db 1.4s → web 2.0s (0.5s of it for room)" {
		t.Errorf("%q", text)
	}
	for name, c := range map[string]struct {
		timings map[string]Timing
		want    []Link
	}{
		"nothing":           {nil, nil},
		"nothing was ready": {map[string]Timing{"a": {Released: at(0)}}, nil},
		"two at the same time": {
			map[string]Timing{"b": {Ready: at(100), Released: at(0)}, "a": {Ready: at(100), Released: at(50)}},
			[]Link{{Service: "a", Seconds: 0.05}},
		},
		"one that never was": {
			map[string]Timing{"b": {Released: at(0)}, "a": {Ready: at(100), Released: at(0)}},
			[]Link{{Service: "a", Seconds: 0.1}},
		},
		"it waited for room": {
			map[string]Timing{"a": {Ready: at(1000), Admitted: at(600), Released: at(100)}},
			[]Link{{Service: "a", Seconds: 0.9, Queued: 0.5}},
		},
		"too short to tell": {
			map[string]Timing{"a": {Ready: at(1000), Admitted: at(100), Released: at(0)}},
			[]Link{{Service: "a", Seconds: 1}},
		},
		"it ran already": {
			map[string]Timing{"a": {Ready: at(1000), Released: at(0)}},
			[]Link{{Service: "a", Seconds: 1}},
		},
	} {
		if got := Critical(c.timings); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// TestJSON: what was not run has no times.
func TestJSON(t *testing.T) {
	text, err := json.Marshal(ran()[1])
	if want := `{"kind":"start","service":"db","needs":[{"operation":0,"healthy":false,"optional":false}],` +
		`"began":"2026-11-27T12:00:00Z",` +
		`"admitted":"2026-11-27T12:00:00.2Z","ended":"2026-11-27T12:00:00.4Z"}`; err != nil ||
		string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
	if text, err = json.Marshal(Operation{Kind: Wait, Service: "db"}); err != nil ||
		string(text) != `{"kind":"wait","service":"db"}` {
		t.Errorf("%s, %v", text, err)
	}
}
