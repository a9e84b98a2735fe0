package image

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/ui"
)

func results() []Result {
	return []Result{
		{
			Target: buildplan.Target{Service: "a", Services: []string{"a"}, Names: []string{"p-a"}}, State: Unchanged,
			ID: "sha256:1", Steps: 3, Cached: 3,
			Took: time.Second,
		},
		{
			Target: buildplan.Target{Service: "b", Services: []string{"b", "c"}, Names: []string{"p-b", "p-c"}},
			State:  Loaded, Steps: 4, Cached: 1, Built: 3,
			Loaded: 2 << 20, Warnings: []string{"the cache was not written"},
		},
		{
			Target: buildplan.Target{Service: "d", Services: []string{"d"}, Names: []string{"p-d"}}, State: Failed,
			Err: errors.New("it broke"),
		},
	}
}

func TestSummaryOfABuild(t *testing.T) {
	var b bytes.Buffer
	printResults(ui.New(&b), results())
	for _, want := range []string{
		"p-a", "3/3", "unchanged", "p-b (2 services)", "1/4", "loaded", "2MiB", "failed",
		"b: the cache was not written",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in:\n%s", want, b.String())
		}
	}
	lines := strings.Split(b.String(), "\n")
	for _, l := range lines {
		if strings.Contains(l, "p-a") && !strings.Contains(l, " - ") {
			t.Errorf("nothing was sent, but: %s", l)
		}
	}
	b.Reset()
	if printResults(ui.New(&b), nil); b.Len() > 0 {
		t.Errorf("of no image: %s", b.String())
	}
}

func TestFailuresAreJoined(t *testing.T) {
	broke := errors.New("it broke")
	err := failures([]Result{{}, {Err: broke}, {Err: errFailFast}, {Err: errFailFast}})
	if !errors.Is(err, broke) ||
		err.Error() != "it broke\n2 images were not finished: stopped, since another image failed" {
		t.Errorf("got %v", err)
	}
	if err := failures([]Result{{}, {}}); err != nil {
		t.Errorf("nothing failed, but: %v", err)
	}
	if err := failures([]Result{{Err: broke}}); err == nil || err.Error() != "it broke" {
		t.Errorf("got %v", err)
	}
}
