package edit

import (
	"bytes"
	"slices"
	"strings"
)

// Ignore adds lines to the text of an ignore file, each that it does not have yet, with its kind of line ends.
func Ignore(text []byte, lines []string) []byte {
	eol := "\n"
	if bytes.Contains(text, []byte("\r\n")) {
		eol = "\r\n"
	}
	var there []string
	for line := range strings.Lines(string(text)) {
		there = append(there, strings.TrimSpace(line))
	}
	out := slices.Clone(text)
	for _, line := range lines {
		if slices.Contains(there, line) {
			continue
		}
		if len(out) > 0 && out[len(out)-1] != '\n' {
			out = append(out, eol...)
		}
		out = append(out, line+eol...)
	}
	return out
}
