package ui

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fatih/color"
	"github.com/moby/term"

	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// Colours of ours are marked in a text with a word that is another one in each process, and become the terminal's
// sequences when they are printed: what else looks like such a sequence came from outside.
var (
	mark    = "\x1b{" + rand.Text() + ":"
	markEnd = "}"
)

// The terminal's numbers for the colours used here.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
	grey   = "90"
)

// Red is for what has failed.
func Red(text string) string { return paint(red, text) }

// Green is for what is as it should be.
func Green(text string) string { return paint(green, text) }

// Yellow is for what wants attention.
func Yellow(text string) string { return paint(yellow, text) }

// Cyan is for whose line it is.
func Cyan(text string) string { return paint(cyan, text) }

// Grey is for what matters less.
func Grey(text string) string { return paint(grey, text) }

// Coloured says whether text is shown in colours: not with NO_COLOR set, nor where no terminal reads it.
func Coloured() bool { return !color.NoColor }

func paint(colour, text string) string {
	if color.NoColor {
		return text
	}
	return mark + colour + markEnd + text + mark + "0" + markEnd
}

// rendered is text as it is printed: on one line, without anything that a terminal would obey but our colours.
func rendered(text string) string { return render(text, printable.Line) }

// coloured replaces the marks of our colours in a text that is printable already.
func coloured(text string) string { return render(text, func(s string) string { return s }) }

// render replaces the marks of our colours by the terminal's sequences, and passes the text between them through
// show.
func render(text string, show func(string) string) string {
	first, rest, marked := strings.Cut(text, mark)
	if !marked {
		return show(text)
	}
	var b strings.Builder
	b.WriteString(show(first))
	for marked {
		var colour string
		colour, rest, _ = strings.Cut(rest, markEnd)
		b.WriteString("\x1b[" + colour + "m")
		first, rest, marked = strings.Cut(rest, mark)
		b.WriteString(show(first))
	}
	return b.String()
}

// continued starts the further lines of an error's text, so that none of them looks like one of ours.
const continued = "\n     | "

// sprintf is fmt.Sprintf for a text that goes straight to a terminal: what args have is shown on one line and without
// effect, an error on as many lines as it has.
func sprintf(format string, args ...any) string {
	shown := make([]any, len(args))
	for i, arg := range args {
		shown[i] = show(arg)
	}
	return fmt.Sprintf(format, shown...)
}

// show gives what is printed for an argument; numbers stay what they are, since they may be a width.
func show(arg any) any {
	switch a := arg.(type) {
	case nil:
		return nil
	case string:
		return foreign{a, rendered}
	case interface{ ExitStatus() int }: // a fault.Error makes its own lines, and none that could be taken for another
		return foreign{arg, func(text string) string { return render(text, printable.Lines) }}
	case error:
		return foreign{arg, multiline}
	case fmt.Stringer:
		return foreign{arg, rendered}
	}
	switch reflect.TypeOf(arg).Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return arg
	}
	return foreign{arg, rendered}
}

// multiline keeps an error's lines.
func multiline(text string) string {
	return strings.ReplaceAll(render(text, printable.Lines), "\n", continued)
}

// foreign is an argument that is made printable where it is formatted: before that where it is text alone, since its
// width counts then.
type foreign struct {
	value any
	show  func(string) string
}

// Format implements fmt.Formatter.
func (f foreign) Format(state fmt.State, verb rune) {
	if text, ok := f.value.(string); ok && verb != 'q' {
		fmt.Fprintf(state, fmt.FormatString(state, verb), f.show(text))
		return
	}
	_, _ = io.WriteString(state, f.show(fmt.Sprintf(fmt.FormatString(state, verb), f.value)))
}

// Fprintf writes text of ours with args from anywhere: these are shown on one line and without effect.
func Fprintf(w io.Writer, format string, args ...any) {
	_, _ = io.WriteString(unfiltered(w), sprintf(format, args...))
}

// filter is a writer for text of any kind: lines stay lines, and nothing else has an effect.
type filter struct {
	out  *Out
	rest []byte // the start of a character that the next piece ends
}

// Write implements io.Writer.
func (f *filter) Write(p []byte) (int, error) {
	f.out.mu.Lock()
	defer f.out.mu.Unlock()
	text := slices.Concat(f.rest, p)
	whole := len(text) - unfinished(text)
	f.rest = bytes.Clone(text[whole:])
	if _, err := io.WriteString(f.out.w, render(string(text[:whole]), printable.Lines)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// unfinished is how many bytes at the end of p may be the start of a character.
func unfinished(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if b := p[len(p)-n]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRune(p[len(p)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// unfiltered is the writer behind a filter, for text that has been made printable already.
func unfiltered(w io.Writer) io.Writer {
	if f, ok := w.(*filter); ok {
		return f.out.w
	}
	return w
}

// isTerminal says whether a terminal reads what is written to w.
func isTerminal(w io.Writer) bool {
	switch w := unfiltered(w).(type) {
	case within:
		return w.columns > 0
	case *os.File:
		return term.IsTerminal(w.Fd())
	}
	return false
}

// LogLine writes a line that a container has logged, after whose it is. A terminal gets it without effect and without
// the program's own colours; elsewhere it is what the container wrote, byte for byte.
func LogLine(w io.Writer, whose, line string) {
	if isTerminal(w) {
		line = printable.Output(line)
	}
	_, _ = io.WriteString(unfiltered(w), rendered(whose)+line+"\n")
}
