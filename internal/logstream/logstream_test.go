package logstream

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/moby/moby/api/pkg/stdcopy"
)

func frame(stream byte, text string) string {
	head := []byte{stream, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	return string(head) + text
}

// read gives what a library sees of standard output and error.
func read(t *testing.T, from io.Reader, raw bool) (stdout, stderr string) {
	t.Helper()
	r := newReader(io.NopCloser(from), raw)
	var out, errs bytes.Buffer
	var err error
	if raw {
		_, err = io.Copy(&out, r)
	} else {
		_, err = stdcopy.StdCopy(&out, &errs, r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String()
}

func TestOrdinaryLogsAreAsTheyWere(t *testing.T) {
	long := strings.Repeat("x", 100_000) + "\n"
	for name, from := range map[string]func(string) io.Reader{
		"whole":    func(s string) io.Reader { return strings.NewReader(s) },
		"bytewise": func(s string) io.Reader { return iotest.OneByteReader(strings.NewReader(s)) },
	} {
		stdout, stderr := read(
			t,
			from(frame(1, "a\nb")+frame(2, "oh\n")+frame(1, "")+frame(1, "c\n"+long)+frame(2, "no end")),
			false,
		)
		if stdout != "a\nbc\n"+long || stderr != "oh\nno end" {
			t.Errorf("%s: got %d and %d bytes", name, len(stdout), len(stderr))
		}
		if stdout, _ := read(t, from("a\r\n"+long+"no end"), true); stdout != "a\r\n"+long+"no end" {
			t.Errorf("%s, of a terminal: got %d bytes", name, len(stdout))
		}
	}
}

// TestLineWithoutEnd guards against a container that never ends a line: Compose's library kept all of it in memory.
func TestLineWithoutEnd(t *testing.T) {
	const size = 64 << 20
	zeros := strings.Repeat("0", 1<<20)
	for name, raw := range map[string]bool{"frames": false, "a terminal": true} {
		var all []io.Reader
		for range size / len(zeros) {
			if raw {
				all = append(all, strings.NewReader(zeros))
			} else {
				all = append(all, strings.NewReader(frame(1, zeros)))
			}
		}
		stdout, _ := read(t, io.MultiReader(all...), raw)
		longest := 0
		for line := range strings.SplitSeq(stdout, "\n") {
			longest = max(longest, len(line))
		}
		if longest > maxLine+piece || len(strings.ReplaceAll(stdout, "\n", "")) != size {
			t.Errorf("%s: the longest line has %d bytes, all %d", name, longest, len(stdout))
		}
	}
}
