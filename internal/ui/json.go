package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// WriteJSON writes v as JSON, each level further in by indent, with a newline at its end; "" is all on one line.
func WriteJSON(w io.Writer, v any, indent string) error {
	encoder := json.NewEncoder(JSON(w))
	encoder.SetIndent("", indent)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

// JSON is a writer for whole values of JSON. Characters that a terminal would obey or not show are escaped in them,
// as JSON allows for any: encoding/json does so for those of C0 alone.
func JSON(w io.Writer) io.Writer { return escaper{unfiltered(w)} }

type escaper struct{ io.Writer }

// Write implements io.Writer.
func (e escaper) Write(p []byte) (int, error) {
	if _, err := e.Writer.Write(escape(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// escape gives p itself where there is nothing to do.
func escape(p []byte) []byte {
	var out []byte
	done := 0
	for i := 0; i < len(p); {
		r, size := utf8.DecodeRune(p[i:])
		if r != '\n' && !printable.Safe(r) {
			out = append(out, p[done:i]...)
			if r <= 0xffff {
				out = fmt.Appendf(out, `\u%04x`, r)
			} else {
				high, low := utf16.EncodeRune(r)
				out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
			}
			done = i + size
		}
		i += size
	}
	if done == 0 {
		return p
	}
	return append(out, p[done:]...)
}
