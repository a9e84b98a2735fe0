// Package bounded owns reading what others have written: files that a project names, answers of registries, engines
// and servers, output of programs and containers. All of it is read up to a limit and no further, and what is too
// large is named. What is read, and what it means, is the caller's.
package bounded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// ErrTooLarge is wrapped by the error of input that is longer than its limit.
var ErrTooLarge = errors.New("too large")

// Limit is how much of something is read.
type Limit struct {
	What  string     // what is read, for the error: "the model", "the registry's answer"
	Bytes int64      // the most that it may have
	Code  fault.Code // of the error; 0 is Failed
	Next  string     // of the error
}

// tooLarge is the error of something that is longer.
func (l Limit) tooLarge() error {
	code := l.Code
	if code == 0 {
		code = fault.Failed
	}
	return fault.New(code, l.Next, "reading %s: it is %w: more than %s, which is the most that is read of it", l.What,
		ErrTooLarge, ui.Bytes(l.Bytes))
}

// Reader gives what r gives, and an error where that is more than the limit.
func (l Limit) Reader(r io.Reader) io.Reader { return &reader{r: r, limit: l, left: l.Bytes} }

type reader struct {
	r     io.Reader
	limit Limit
	left  int64
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.left < 0 {
		return 0, r.limit.tooLarge()
	}
	if int64(len(p)) > r.left+1 { // one more byte tells whether there is more
		p = p[:r.left+1]
	}
	n, err := r.r.Read(p)
	if r.left -= int64(n); r.left < 0 {
		return n - 1, r.limit.tooLarge()
	}
	return n, err
}

// ReadAll reads r to its end.
func (l Limit) ReadAll(r io.Reader) ([]byte, error) { return io.ReadAll(l.Reader(r)) }

// Decode reads one value of JSON into v.
func (l Limit) Decode(r io.Reader, v any) error {
	if err := json.NewDecoder(l.Reader(r)).Decode(v); err != nil {
		return fmt.Errorf("reading %s: %w", l.What, err)
	}
	return nil
}

// Tail keeps the last bytes of all that is written to it. Its methods may be called from several goroutines.
type Tail struct {
	Bytes int // how many; 0 is DefaultTail

	mu   sync.Mutex
	data []byte
	last int // how much of data counts
}

// DefaultTail is what a Tail keeps, in bytes: enough for the lines that an error shows.
const DefaultTail = 64 << 10

// Write implements io.Writer; it takes everything.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	keep := t.Bytes
	if keep == 0 {
		keep = DefaultTail
	}
	written := len(p)
	p = p[max(0, len(p)-keep):]
	if len(t.data)+len(p) > 2*keep { // not for each piece: moving what is kept is work too
		t.data = append(t.data[:0], t.data[len(t.data)+len(p)-keep:]...)
	}
	t.data = append(t.data, p...)
	t.last = keep
	return written, nil
}

// String gives the bytes that were kept.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data[max(0, len(t.data)-t.last):])
}

// MaxLine is the most of a line of foreign output that goes into an error or a report, in bytes; it is what Docker
// keeps of a health check.
const MaxLine = 4 << 10

// Line cuts a line to MaxLine.
func Line(line string) string {
	if len(line) <= MaxLine {
		return line
	}
	cut := MaxLine
	for cut > MaxLine-utf8.UTFMax && !utf8.RuneStart(line[cut]) {
		cut--
	}
	return strings.Clone(line[:cut]) + "…"
}

// LastLine gives the last line of a text, cut to MaxLine.
func LastLine(text string) string {
	text = strings.TrimSpace(text)
	return Line(text[strings.LastIndexByte(text, '\n')+1:])
}
