package fault

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// continued starts the further lines of a text that is not ours, such as a parser's: none of them looks like a detail
// or a next command.
const continued = "\n    | "

// shown gives the arguments of an error's text so that text from outside is printed without effect on a terminal and
// can't be taken for a line of ours.
func shown(args []any) []any {
	out := make([]any, len(args))
	for i, arg := range args {
		switch a := arg.(type) {
		case error:
			out[i] = shownError(a)
		case string:
			out[i] = foreignText(a)
		case fmt.Stringer:
			out[i] = foreignText(a.String())
		default:
			out[i] = arg
		}
	}
	return out
}

func multiline(text string) string {
	return strings.ReplaceAll(printable.Lines(strings.TrimRight(text, "\n")), "\n", continued)
}

// foreignText is text that is made printable where it is formatted.
type foreignText string

// Format implements fmt.Formatter.
func (t foreignText) Format(state fmt.State, verb rune) {
	if verb == 'q' {
		_, _ = io.WriteString(state, printable.Line(fmt.Sprintf(fmt.FormatString(state, verb), string(t))))
		return
	}
	fmt.Fprintf(state, fmt.FormatString(state, verb), multiline(string(t)))
}

// foreignError is an error that is not ours.
type foreignError struct{ error }

func (e foreignError) Error() string { return multiline(e.error.Error()) }
func (e foreignError) Unwrap() error { return e.error }

// aroundFault is an error round a fault, whose text keeps its lines.
type aroundFault struct {
	error
	text string
}

func (e aroundFault) Error() string { return e.text }
func (e aroundFault) Unwrap() error { return e.error }

// shownError gives the error with a printable text. Faults have one, and joined errors keep a line each.
func shownError(err error) error {
	var f *Error
	switch outer := err.(type) { //nolint:errorlint // each error is looked at by itself, from the outermost in
	case *Error:
		return err
	case interface{ Unwrap() []error }:
		if isJoin(err, outer.Unwrap()) {
			var each []error
			for _, one := range outer.Unwrap() {
				each = append(each, shownError(one))
			}
			return errors.Join(each...)
		}
	case interface{ Unwrap() error }:
		inner := outer.Unwrap()
		if before, after, found := cut(err, inner); found && errors.As(inner, &f) {
			return aroundFault{err, multiline(before) + shownError(inner).Error() + multiline(after)}
		}
	}
	if errors.As(err, &f) {
		return err
	}
	return foreignError{err}
}

// cut gives the parts of an error's text before and after the text of the error inside.
func cut(err, inner error) (before, after string, found bool) {
	if inner == nil {
		return "", "", false
	}
	return strings.Cut(err.Error(), inner.Error())
}

// isJoin says whether the error is one of errors.Join; an error of fmt.Errorf with several %w has a text of its own.
func isJoin(err error, each []error) bool {
	var texts []string
	for _, one := range each {
		texts = append(texts, one.Error())
	}
	return err.Error() == strings.Join(texts, "\n")
}

// detail gives the lines of a detail, none of which can be taken for the next command.
func detail(text string) []string {
	lines := strings.Split(printable.Lines(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimLeft(line, " "), nextCommand) {
			lines[i] = "  " + line
		}
	}
	return lines
}
