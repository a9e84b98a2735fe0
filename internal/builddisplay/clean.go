package builddisplay

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

const (
	// maxOutput is how many bytes of a step's output are shown: BuildKit's displays keep them all in memory. It is
	// four times of what BuildKit itself lets a step say unless it is configured otherwise.
	maxOutput = 8 << 20
	// maxLine is how long a line may get that does not end, in bytes.
	maxLine = 16 << 10
)

// cleaner makes what a solve says printable, step by step.
type cleaner map[digest.Digest]*output

// output is how far the output of a step has been shown.
type output struct {
	shown int
	line  int    // bytes since the last end of a line
	rest  []byte // the start of a character that the next piece ends
}

func (c cleaner) status(s *client.SolveStatus) {
	for _, v := range s.Vertexes {
		v.Name, v.Error = printable.Line(v.Name), printable.Line(v.Error)
		if v.ProgressGroup != nil {
			v.ProgressGroup.Name = printable.Line(v.ProgressGroup.Name)
		}
	}
	for _, x := range s.Statuses {
		x.ID, x.Name = printable.Line(x.ID), printable.Line(x.Name)
	}
	for _, w := range s.Warnings {
		w.URL, w.Short = printable.Line(w.URL), []byte(printable.Line(string(w.Short)))
		for i, line := range w.Detail {
			w.Detail[i] = []byte(printable.Line(string(line)))
		}
	}
	for _, l := range s.Logs {
		o := c[l.Vertex]
		if o == nil {
			o = &output{}
			c[l.Vertex] = o
		}
		l.Data = o.clean(l.Data)
	}
}

// clean gives the part of a further piece of output that is shown.
func (o *output) clean(data []byte) []byte {
	if o.shown > maxOutput {
		return nil
	}
	o.shown += len(data)
	if o.shown > maxOutput {
		return fmt.Appendf(nil, "\nwhat follows is not shown: the step has printed more than %s\n", ui.Bytes(maxOutput))
	}
	data = append(o.rest, data...)
	whole := len(data)
	for n := 1; n < utf8.UTFMax && n <= len(data); n++ {
		if utf8.RuneStart(data[len(data)-n]) {
			if !utf8.FullRune(data[len(data)-n:]) {
				whole = len(data) - n
			}
			break
		}
	}
	o.rest = bytes.Clone(data[whole:])
	return o.breakLines(printable.Lines(Lines(string(data[:whole]))))
}

// breakLines ends lines that grow too long without an end of their own.
func (o *output) breakLines(text string) []byte {
	var out []byte
	for line := range strings.Lines(text) {
		ends := strings.HasSuffix(line, "\n")
		for o.line+len(line) > maxLine {
			n := max(0, maxLine-o.line)
			for n > 0 && !utf8.RuneStart(line[n]) {
				n--
			}
			out = append(append(out, line[:n]...), '\n')
			line, o.line = line[n:], 0
		}
		out = append(out, line...)
		if o.line += len(line); ends {
			o.line = 0
		}
	}
	return out
}

// Lines gives output in lines: text that a terminal overwrites, as a progress bar does, is a line each time.
func Lines(output string) string {
	return strings.ReplaceAll(strings.ReplaceAll(output, "\r\n", "\n"), "\r", "\n")
}
