// Package printable owns how text from outside is shown: names, labels, output of containers and build steps, answers
// of registries and engines, contents of files. What a terminal would obey, what has no shape and what turns the
// direction of writing is shown in the notation of Go's strings (\x1b, \n, \u202e), so that it can be seen and does
// nothing. It prints nothing itself.
package printable

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks is how many combining marks may follow each other: scripts have up to four, and more run over the lines
// above and below.
const maxMarks = 6

// tab is what output has for a tab: a terminal would jump by an amount that depends on where the line begins.
const tab = "    "

// colours are the sequences that only colour what follows; programs print them for people to read.
var colours = regexp.MustCompile("\x1b\\[[0-9;:]*m")

// Safe says whether a terminal shows the rune, and does nothing else with it. Control characters of C0 and C1,
// separators of lines, marks of direction, characters without width and those that no standard gives a shape are not
// safe.
func Safe(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs) &&
		!unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// Line gives s as one line. A line that it gave stays as it is.
func Line(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	marks := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case Safe(r) && marks <= maxMarks:
			b.WriteRune(r)
		default:
			b.WriteString(notation(r))
		}
		i += size
	}
	return b.String()
}

// plain says whether s is printable ASCII alone, as nearly all of it is.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// notation is that of a rune in a string of Go.
func notation(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// Output gives one line of what a program has printed: as Line, but that colours and the return at its end are left
// out and tabs become spaces.
func Output(s string) string {
	s = colours.ReplaceAllString(strings.TrimRight(s, "\r"), "")
	return Line(strings.ReplaceAll(s, "\t", tab))
}

// Lines is Output for text of several lines.
func Lines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = Output(line)
	}
	return strings.Join(lines, "\n")
}
