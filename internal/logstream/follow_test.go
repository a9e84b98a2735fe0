package logstream

import (
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestSplit(t *testing.T) {
	for name, c := range map[string]struct {
		log  string
		raw  bool
		want []string
	}{
		"both streams": {
			log:  frame(1, "one\ntw") + frame(2, "err") + frame(1, "o\n") + frame(2, "or\n\n"),
			want: []string{"one", "two", "error", ""},
		},
		"without an end": {log: frame(1, "one\nrest") + frame(2, "more"), want: []string{"one", "rest", "more"}},
		"a terminal":     {log: "one\r\ntwo", raw: true, want: []string{"one\r", "two"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			from := iotest.OneByteReader(strings.NewReader(c.log))
			take := func(line string) { got = append(got, line) }
			if err := split(newReader(io.NopCloser(from), c.raw), c.raw, take); err != nil {
				t.Fatal(err)
			}
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
