package logerrors

import (
	"regexp"
	"strings"
)

// trace knows, from one line to the next, which lines belong to an error that was counted already: a stack trace is
// one error, however many lines it has.
type trace struct {
	after  bool // the last line that is no continuation was an error's
	python bool // a traceback of Python goes on, whose last line says what happened
}

// traceback begins a stack trace of Python.
const traceback = "Traceback (most recent call last)"

var (
	// colours are what programs print for terminals.
	colours = regexp.MustCompile("\x1b\\[[0-9;:]*[A-Za-z]")
	// thrown is the last line of Python's tracebacks, and the first of Java's stack traces.
	thrown = regexp.MustCompile(`^[\w$]+(\.[\w$]+)*(: |$)`)
	// continued begins lines of a trace that are not indented.
	continued = regexp.MustCompile(`^(Caused by: |Suppressed: |\.\.\. \d+ more|goroutine \d+ \[|\[signal |During ` +
		`handling of the |` +
		`The above exception was |created by |exit status )`)
)

// errorOf says whether the line is the one line that counts of an error, and gives the part that says what happened.
func (t *trace) errorOf(raw []byte) (message string, is bool) {
	if !t.after && !t.python && !hinted(raw) {
		return "", false
	}
	line := readable(string(raw))
	switch {
	case line == "", (t.after || t.python) && (indented(line) || continued.MatchString(line)):
		return "", false
	case strings.HasPrefix(line, traceback):
		t.python = true
		return "", false
	case t.python && thrown.MatchString(line):
		is = !t.after
		t.after, t.python = true, false
		return line, is
	case t.after && thrown.MatchString(line) && raised.MatchString(line):
		return "", false
	}
	t.python = false
	message, level := levelIn(line)
	t.after = level == Error
	return message, t.after
}

// wants says whether a line must be looked at: the others are no error's, and end none.
func (c *Counter) wants(line []byte) bool { return c.trace.after || c.trace.python || hinted(line) }
