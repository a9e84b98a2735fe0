package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestChangedSize(t *testing.T) {
	for _, c := range []struct {
		name     string
		old, now []string
		sizes    []int64
		want     int64
	}{
		{"the last layer", []string{"a", "b"}, []string{"a", "c"}, []int64{7, 100}, 7},
		{"one more layer", []string{"a"}, []string{"a", "b"}, []int64{5, 100}, 5},
		{"all", []string{"a", "b"}, []string{"x", "y"}, []int64{7, 100}, 107},
		{"none", []string{"a", "b"}, []string{"a", "b"}, []int64{7, 100}, 0},
		{"an empty layer on top", []string{"a", "b"}, []string{"x", "y", "z"}, []int64{7, 100}, 107},
	} {
		if got := changedSize(c.old, c.now, c.sizes); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

// What buildx printed for a build of two images, shortened: one step from the cache, two that overlap, a copy that
// does not count, and a step that is told of twice, as every one is.
func TestStepSeconds(t *testing.T) {
	const day = "2026-11-24T"
	vertex := func(digest, name, times string) string {
		return `{"vertexes":[{"digest":"sha256:` + digest + `","name":"` + name + `",` +
			strings.ReplaceAll(times, "DAY", day) + "}]}\n"
	}
	raw := "#1 not JSON\n" +
		vertex("1", "[a build 3/4] RUN go mod download",
			`"started":"DAY10:00:00Z","completed":"DAY10:00:00Z","cached":true`) +
		vertex("2", "[a build 4/4] RUN go build ./a", `"started":"DAY10:00:01Z"`) +
		vertex("3", "[b build 4/4] RUN go build ./b", `"started":"DAY10:00:02Z"`) +
		vertex("2", "[a build 4/4] RUN go build ./a", `"started":"DAY10:00:01Z","completed":"DAY10:00:03Z"`) +
		vertex("3", "[b build 4/4] RUN go build ./b", `"started":"DAY10:00:02Z","completed":"DAY10:00:05.5Z"`) +
		vertex("4", "[a stage-1 2/2] COPY --from=build /out /", `"started":"DAY10:00:05Z","completed":"DAY10:01:05Z"`) +
		vertex("5", "[b stage-1 3/3] RUN true", `"started":"DAY10:00:10Z","completed":"DAY10:00:11Z"`)
	if got := stepSeconds([]byte(raw)); got != 5.5 {
		t.Errorf("got %v s, want 5.5: 4.5 together, then 1", got)
	}
	if got := stepSeconds(bytes.Repeat([]byte("{}\n"), 3)); got != 0 {
		t.Errorf("nothing ran: got %v", got)
	}
}
