package logerrors

import (
	"regexp"
	"strings"
)

// Entries tells which lines of one stream of a container's log belong to the line before: an entry is a line with the
// lines that continue it. Its zero value is before the first line.
type Entries struct {
	level  Level
	python bool // a traceback of Python goes on, whose last line is not indented
	stacks bool // Go's goroutines, whose functions are not indented
}

// call is a function in Go's stack traces.
var call = regexp.MustCompile(`^[\w./*()\[\]…%-]+\(.*\)$`)

// Next says whether a line, which was logged soon after the one before, continues that one, and gives the level of its
// entry. Lines that continue are empty or indented, or those of a stack trace of Go, Java or Python.
func (e *Entries) Next(line string) (level Level, continues bool) {
	line = readable(line)
	switch {
	case line == "", indented(line), e.stacks && call.MatchString(line):
		return e.level, true
	case continued.MatchString(line):
		e.stacks = e.stacks || strings.HasPrefix(line, "goroutine ")
		return e.level, true
	case strings.HasPrefix(line, traceback):
		e.python = true
		continues, e.level = e.level == Error, Error
		return Error, continues
	case e.python && thrown.MatchString(line):
		e.python = false
		return e.level, true
	case e.level == Error && thrown.MatchString(line) && raised.MatchString(line):
		return e.level, true
	}
	*e = Entries{}
	_, e.level = levelIn(line[:min(len(line), maxLine)])
	return e.level, false
}

// readable is a line as a person sees it, without what is behind its last word.
func readable(line string) string {
	line = strings.TrimRight(line, " \t\r\n")
	if strings.Contains(line, "\x1b") {
		line = colours.ReplaceAllString(line, "")
	}
	return line
}

func indented(line string) bool { return strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") }

// TemplateOf gives what an entry says happened, with what differs from one time to the next as *.
func TemplateOf(entry string) string {
	var t trace
	for line := range strings.SplitSeq(entry, "\n") {
		if message, is := t.errorOf([]byte(line[:min(len(line), maxLine)])); is {
			return templateOf(message)
		}
	}
	head, _, _ := strings.Cut(readable(entry), "\n")
	message, _ := levelIn(head[:min(len(head), maxLine)])
	return templateOf(message)
}
