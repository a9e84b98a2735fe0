//go:build integration

package logsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// printed is what was printed so far.
type printed struct {
	mutex sync.Mutex
	bytes bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.bytes.Write(b)
}

// entries are what was printed as JSON.
func (p *printed) entries(t *testing.T) (out []Entry) {
	t.Helper()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for text := range strings.Lines(p.bytes.String()) {
		var e Entry
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		out = append(out, e)
	}
	return out
}

// says is a container of a service that says a text so many times, and then goes on.
func says(t *testing.T, e *engine.Engine, project, service, text string, times int, terminal bool) string {
	t.Helper()
	return enginetest.Container(t, e, project+"-"+service+"-1", &container.Config{
		Image: project + ":1", Tty: terminal, Cmd: []string{"say", text, fmt.Sprint(times), "10"},
		Labels: enginetest.Labels(project, service, "False"),
	}, nil, true)
}

// Of three containers, one with a terminal, whose lines are longer than a message of the engine: each entry is told
// once, in the order of time; what is followed goes on where what was there has ended, over a restart too.
func TestIntegrationLogsAreMergedAndFollowed(t *testing.T) {
	e, name := enginetest.Connect(t), fmt.Sprintf("it-logsearch-%d", time.Now().UnixNano())
	enginetest.Image(t, e, name+":1", nil)
	project := composetest.Load(t, "services: {a: {image: x}, b: {image: x}, c: {image: x}}")
	project.Name = name
	const times = 40
	long := strings.Repeat("long ", 3500)
	says(t, e, name, "a", "GET /\nERROR boom\n\tat x", times, false)
	b := says(t, e, name, "b", "WARN "+long, times, true)
	says(t, e, name, "c", "quiet", 1, false)
	time.Sleep(200 * time.Millisecond)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out printed
	ended := make(chan error, 1)
	go func() { ended <- Print(ctx, e, project, &out, Request{JSON: true, Level: "warn", Follow: true}) }()
	counts := func() (a, b int) {
		for _, entry := range out.entries(t) {
			switch {
			case entry.Container == "a-1" && entry.Message == "ERROR boom\n\tat x" && entry.Level == "error":
				a++
			case entry.Container == "b-1" && entry.Message == "WARN "+long && entry.Service == "b":
				b++
			default:
				t.Fatalf("%+.200v", entry)
			}
		}
		return a, b
	}
	wait := func(runs int) {
		enginetest.Until(t, 20*time.Second, fmt.Sprintf("%d runs are told", runs), func() bool {
			inA, inB := counts()
			return inA >= times && inB >= runs*times
		})
	}
	wait(1)
	none := 0
	if _, err := e.ContainerRestart(ctx, b, client.ContainerRestartOptions{Timeout: &none}); err != nil {
		t.Fatal(err)
	}
	wait(2)
	time.Sleep(2 * soon)
	cancel()
	if err := <-ended; err != nil && ctx.Err() == nil {
		t.Error(err)
	}
	if inA, inB := counts(); inA != times || inB != 2*times {
		t.Errorf("told %d and %d entries, want %d and %d", inA, inB, times, 2*times)
	}
	inOrder(t, out.entries(t))

	var again printed
	if err := Print(t.Context(), e, project, &again, Request{Grep: "boom|quiet", Group: true, JSON: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf(`{"count":%d,"service":"a","level":"error","template":"boom"`, times),
		`{"count":1,"service":"c","template":"quiet"`,
	} {
		if !strings.Contains(again.bytes.String(), want) {
			t.Errorf("nothing of %s in\n%s", want, again.bytes.String())
		}
	}
}

func inOrder(t *testing.T, all []Entry) {
	t.Helper()
	if !slices.IsSortedFunc(all, func(a, b Entry) int { return a.Time.Compare(b.Time) }) {
		t.Error("not in the order of time")
	}
}
