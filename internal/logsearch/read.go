package logsearch

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
)

const (
	// maxLine is how much is kept of a line, in bytes: the rest is a line of its own.
	maxLine = 1 << 20
	// part is after how many bytes the engine begins a new message within a line.
	part = 16 << 10
	// stamp is how long the time is that the engine puts before a message, with its space.
	stamp = len("2006-01-02T15:04:05.000000000Z ")
	// The streams of a container, as frames name them.
	stdout, stderr, fromEngine = 1, 2, 3
)

var streams = [...]string{stdout: "stdout", stderr: "stderr"}

// line is one of a container's log, without its end.
type line struct {
	at     time.Time
	stream byte
	text   string
}

// read gives the lines of a log that the engine gives with times, until the log ends; raw says that it has no frames.
func read(from io.Reader, raw bool, to func(line)) error {
	r := &reader{to: to}
	defer r.end()
	buffered := bufio.NewReaderSize(from, 32<<10)
	var err error
	for err == nil {
		if raw {
			err = r.rawLine(buffered)
		} else {
			err = r.frame(buffered)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// reader makes lines of messages: a long line is several.
type reader struct {
	to   func(line)
	last time.Time
	part [3]struct {
		at   time.Time
		text []byte
	}
}

func (r *reader) frame(from *bufio.Reader) error {
	var head [8]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return err
	}
	stream, left := head[0], int64(binary.BigEndian.Uint32(head[4:]))
	if stream == fromEngine {
		said := make([]byte, min(left, bounded.MaxLine))
		n, _ := io.ReadFull(from, said)
		return fmt.Errorf("the engine: %s", bounded.Line(string(said[:n])))
	}
	if stream != stderr {
		stream = stdout
	}
	for first := true; left > 0; first = false {
		piece := make([]byte, min(left, maxLine))
		n, err := io.ReadFull(from, piece)
		r.message(stream, piece[:n], first)
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

// message takes a message, or what a first piece of it left.
func (r *reader) message(stream byte, text []byte, first bool) {
	if first {
		if at, ok := stamped(text); ok {
			text, r.last = text[stamp:], at
		}
	}
	p := &r.part[stream]
	if len(p.text) == 0 {
		p.at = r.last
	}
	p.text = append(p.text, text...)
	if bytes.HasSuffix(text, []byte("\n")) || len(p.text) >= maxLine {
		r.give(stream)
	}
}

func (r *reader) give(stream byte) {
	p := &r.part[stream]
	r.to(line{at: p.at, stream: stream, text: strings.TrimRight(string(p.text), "\r\n")})
	p.text = p.text[:0]
}

func (r *reader) end() {
	for stream := range r.part {
		if len(r.part[stream].text) > 0 {
			r.give(byte(stream)) //nolint:gosec // three at most
		}
	}
}

// rawLine takes a line of a terminal. A long one has a time after every part.
func (r *reader) rawLine(from *bufio.Reader) error {
	text, err := from.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = nil
	}
	p := &r.part[stdout]
	p.text = append(p.text, text...)
	if bytes.HasSuffix(p.text, []byte("\n")) || len(p.text) >= maxLine || err != nil && len(p.text) > 0 {
		p.text, p.at = r.unstamped(p.text)
		r.give(stdout)
	}
	return err
}

// unstamped takes the times out of a line: at its beginning, and after each part of a long one.
func (r *reader) unstamped(text []byte) ([]byte, time.Time) {
	out, begun := make([]byte, 0, len(text)), r.last
	for i := 0; ; i++ {
		at, ok := stamped(text)
		if ok {
			text, r.last = text[stamp:], at
		}
		if i == 0 {
			begun = r.last
		}
		if !ok || len(text) <= part {
			return append(out, text...), begun
		}
		out, text = append(out, text[:part]...), text[part:]
	}
}

// stamped gives the time at the beginning of a message.
func stamped(text []byte) (time.Time, bool) {
	if len(text) < stamp || text[stamp-1] != ' ' {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, string(text[:stamp-1]))
	return at, err == nil
}
