package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// hostile has something of each kind that a terminal would obey or that looks like a line of ours.
const hostile = "a\x1b]0;owned\x07\x1b[2J\x1b[31mb\n ✓ forged\r\t\b\x7f\u009b5A\x9b\u202ec\u200b\u2028d\u0085e\xff"

// stringer and others are arguments that are no strings.
type stringer string

func (s stringer) String() string { return string(s) }

// sequences are those that this package itself writes.
var sequences = regexp.MustCompile(`\x1b\[(?:[01]|3[1236]|90)m|\x1b\[\d+A|\x1b\[[HJK]|\r`)

// obeyed gives what of the text a terminal would obey, apart from our own sequences and newlines.
func obeyed(text string) string {
	var found strings.Builder
	if !utf8.ValidString(text) {
		found.WriteString("broken UTF-8 ")
	}
	for _, r := range sequences.ReplaceAllString(text, "") {
		if r != '\n' && !printable.Safe(r) {
			fmt.Fprintf(&found, "%U ", r)
		}
	}
	return found.String()
}

func TestNothingFromOutsideIsObeyed(t *testing.T) {
	text := hostile
	for name, print := range map[string]struct {
		do    func(o *Out)
		lines int // that it prints
	}{
		"title":  {func(o *Out) { o.Title("of %s", text) }, 1},
		"info":   {func(o *Out) { o.Info("%s and %v and %-40s and %q", text, text, text, text) }, 1},
		"done":   {func(o *Out) { o.Done("%v", []string{text, text}) }, 1},
		"failed": {func(o *Out) { o.Failed("%+v", struct{ Name string }{text}) }, 1},
		"warn":   {func(o *Out) { o.Warn("%s", stringer(text)) }, 1},
		"bytes":  {func(o *Out) { o.Info("%s", []byte(text)) }, 1},
		"error":  {func(o *Out) { o.Warn("%v", errors.New(text)) }, 2},
		"fault": {func(o *Out) {
			o.Warn("%v", fault.New(fault.Failed, text, "%s: %w", text, errors.New(text)).WithDetail(text))
		}, 6},
		"coloured": {func(o *Out) { o.Info("%s", Red(text)) }, 1},
		"writer":   {func(o *Out) { _, _ = io.WriteString(o.Writer(), text+"\n") }, 2},
		"fprintf":  {func(o *Out) { Fprintf(o.Writer(), "%s\n", text) }, 1},
		"table": {
			func(o *Out) { Table(o.Writer(), []string{"A", "B"}, [][]string{{text, text}, {Green(text), text}}) }, 3,
		},
		"narrow": {
			func(o *Out) { Table(Within(o.Writer(), 400), []string{"A", "B"}, [][]string{{text, text}}) }, 2,
		},
		"records":     {func(o *Out) { Table(Within(o.Writer(), 9), []string{"A", "B"}, [][]string{{text, "b"}}) }, 2},
		"redrawn":     {func(o *Out) { o.Redraw(func(o *Out) { o.Warn("%s", text) }) }, 1},
		"logs":        {func(o *Out) { LogLine(Within(o.Writer(), 80), Cyan(text), text) }, 1},
		"failed step": {func(o *Out) { _ = o.Step(t.Context(), text, fails) }, 1},
		"live": {func(o *Out) {
			o.terminal = true
			stop := o.Live(func(int) []string { return []string{text, Grey(text)} }, nil)
			time.Sleep(300 * time.Millisecond) // it draws five times a second
			stop()
		}, 2},
		"step": {func(o *Out) {
			o.terminal = true
			_ = o.Step(t.Context(), text, func(_ context.Context, report func(string)) error {
				report(text)
				time.Sleep(300 * time.Millisecond)
				return nil
			})
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			print.do(New(&b))
			if found := obeyed(b.String()); found != "" {
				t.Errorf("a terminal would obey %sin %q", found, b.String())
			}
			if got := strings.Count(b.String(), "\n"); got != print.lines && (name != "live" || got == 0) {
				t.Errorf("%d lines, want %d:\n%s", got, print.lines, b.String())
			}
			if !strings.Contains(ansi.Strip(b.String()), "a") {
				t.Errorf("printed nothing of it: %q", b.String())
			}
		})
	}
}

func fails(context.Context, func(string)) error { return errors.New("no") }

// TestColoursOfOthersAreNotOurs guards against text that paints itself as what is fine.
func TestColoursOfOthersAreNotOurs(t *testing.T) {
	var b bytes.Buffer
	Table(&b, []string{"A"}, [][]string{{"\x1b[32mhealthy\x1b[0m"}, {Green("healthy")}, {"\x1b{:32}healthy\x1b{:0}"}})
	if got := strings.Count(b.String(), "\x1b[32m"); got != 1 {
		t.Errorf("%d cells are green:\n%q", got, b.String())
	}
}

func TestCellsAreMeasuredAsPrinted(t *testing.T) {
	var b bytes.Buffer
	Table(&b, []string{"A", "B"}, [][]string{{"x\ty\u200b", "1"}, {"plain", "2"}})
	lines := strings.Split(ansi.Strip(b.String()), "\n")
	for i, digit := range []string{"B", "1", "2"} {
		if at := strings.Index(lines[i], digit); at != len(`x\ty\u200b`)+2 {
			t.Errorf("%q is at %d:\n%s", digit, at, b.String())
		}
	}
}

func TestLogsAreRawWhereNoTerminalIs(t *testing.T) {
	var b bytes.Buffer
	LogLine(&b, "a | ", hostile)
	if got := b.String(); got != "a | "+hostile+"\n" {
		t.Errorf("got %q", got)
	}
}

func TestWriterKeepsCharactersWhole(t *testing.T) {
	var b bytes.Buffer
	w := New(&b).Writer()
	for _, c := range []byte("é日👍\n") {
		if n, err := w.Write([]byte{c}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if b.String() != "é日👍\n" {
		t.Errorf("got %q", b.String())
	}
}

func TestJSONIsPrintableAndTheSame(t *testing.T) {
	in := map[string]string{"a": hostile + "\U000e0041 日本語 <b>"}
	for _, indent := range []string{"", "  "} {
		var b bytes.Buffer
		if err := WriteJSON(&b, in, indent); err != nil {
			t.Fatal(err)
		}
		if found := obeyed(b.String()); found != "" {
			t.Errorf("a terminal would obey %sin %q", found, b.String())
		}
		var out map[string]string
		if err := json.Unmarshal(b.Bytes(), &out); err != nil || out["a"] != strings.ToValidUTF8(in["a"], "\ufffd") {
			t.Errorf("got %q, %v", out["a"], err)
		}
	}
}
