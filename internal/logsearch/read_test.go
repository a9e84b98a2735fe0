package logsearch

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var began = time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)

// at is a moment so many milliseconds after began.
func at(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }

// message is one as the engine gives it with times.
func message(ms int, text string) string {
	return at(ms).Format("2006-01-02T15:04:05.000000000Z07:00") + " " + text
}

// frame is a message in a frame.
func frame(stream byte, ms int, text string) string {
	text = message(ms, text)
	return header(stream, len(text)) + text
}

func header(stream byte, size int) string {
	head := []byte{stream, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[4:], uint32(size)) //nolint:gosec // of tests
	return string(head)
}

func TestLinesOfLogs(t *testing.T) {
	long := strings.Repeat("x", 16<<10)
	for name, c := range map[string]struct {
		log  string
		raw  bool
		want []string
		err  string
	}{
		"both streams": {
			log:  frame(1, 1, "one\n") + frame(2, 2, "two\n") + frame(1, 3, "\n"),
			want: []string{"1 stdout one", "2 stderr two", "3 stdout "},
		},
		"a long line is several messages": {
			log:  frame(1, 1, long) + frame(2, 2, "between\n") + frame(1, 3, "end\n") + frame(1, 4, "next\n"),
			want: []string{"2 stderr between", "1 stdout " + long + "end", "4 stdout next"},
		},
		"without an end": {
			log: frame(1, 1, "one\n") + frame(1, 2, "rest"), want: []string{"1 stdout one", "2 stdout rest"},
		},
		"a terminal": {
			log: message(1, "one\r\n") + message(2, long) + message(3, "end\r\n") + message(4, "rest"), raw: true,
			want: []string{"1 stdout one", "2 stdout " + long + "end", "4 stdout rest"},
		},
		"a terminal whose line has a time in it": {
			log: message(1, message(7, "x\n")), raw: true, want: []string{"1 stdout " + message(7, "x")},
		},
		"without times": {log: header(1, 4) + "one\n", want: []string{"- stdout one"}},
		"nothing":       {},
		"the engine's own": {
			log: frame(1, 1, "one\n") + header(3, 4) + "gone", want: []string{"1 stdout one"}, err: "the engine: gone",
		},
		"cut within a frame": {
			log: frame(1, 1, "one\n") + header(2, 99) + "cut", want: []string{"1 stdout one", "1 stderr cut"},
			err: "unexpected EOF",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, from := range []io.Reader{
				strings.NewReader(c.log), iotest.OneByteReader(strings.NewReader(c.log)),
			} {
				var got []string
				err := read(from, c.raw, func(l line) {
					ms := "-"
					if !l.at.IsZero() {
						ms = fmt.Sprint(l.at.Sub(began).Milliseconds())
					}
					got = append(got, ms+" "+streams[l.stream]+" "+l.text)
				})
				if fmt.Sprint(err) != c.err && (err != nil || c.err != "") {
					t.Errorf("error %v, want %q", err, c.err)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("got %.200q, want %.200q", got, c.want)
				}
			}
		})
	}
}

// zeros has no end of a line.
type zeros struct{ left int }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left <= 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left)
	clear(p[:n])
	z.left -= n
	return n, nil
}

// A container that never ends a line, and a frame of whatever size, are taken in pieces.
func TestALineWithoutEndIsBroken(t *testing.T) {
	const size = 64 << 20
	for name, raw := range map[string]bool{"a frame": false, "a terminal": true} {
		var from io.Reader = &zeros{size}
		if !raw {
			from = io.MultiReader(strings.NewReader(header(1, size)), from)
		}
		all, longest := 0, 0
		if err := read(from, raw, func(l line) {
			all += len(l.text)
			longest = max(longest, len(l.text))
		}); err != nil {
			t.Error(err)
		}
		if all != size || longest > maxLine+64<<10 {
			t.Errorf("%s: the longest line has %d bytes, all %d", name, longest, all)
		}
	}
}
