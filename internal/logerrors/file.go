package logerrors

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	"github.com/25eloquence/compose-mage/internal/regular"
)

// maxRead is how much is read of what was appended to a file since the last time, in bytes; of more than that the end.
const maxRead = 256 << 10

// tail reads what is appended to a file of the engine's json-file driver.
type tail struct {
	path    string
	since   time.Time // of the first record that counts; zero once it was read
	file    *os.File  // nil where it could not be opened yet
	offset  int64
	records splitter
	lines   splitter
}

// openTail opens a file, of which the records since then count, as far as they are among its last maxRead bytes.
func openTail(path string, since time.Time) (*tail, error) {
	t := &tail{path: path, since: since}
	if err := t.open(); err != nil {
		return nil, err
	}
	if info, err := t.file.Stat(); err == nil {
		t.offset = max(info.Size()-maxRead, 0)
	}
	return t, nil
}

func (t *tail) open() error {
	file, err := regular.Open(t.path)
	if err != nil {
		return err
	}
	t.close()
	t.file, t.offset, t.records = file, 0, splitter{}
	return nil
}

func (t *tail) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
	t.file = nil
}

// read counts what was appended, and gives the bytes that were passed over. After a rotation the former file is read
// to its end before the new one. A file that vanishes is waited for.
func (t *tail) read(c *Counter, now time.Time) (skipped int64) {
	skipped = t.appended(c, now)
	ours, err := t.file.Stat()
	if err != nil {
		return skipped
	}
	if named, err := os.Stat(t.path); err == nil && !os.SameFile(ours, named) && t.open() == nil {
		skipped += t.appended(c, now)
	}
	return skipped
}

func (t *tail) appended(c *Counter, now time.Time) (skipped int64) {
	info, err := t.file.Stat()
	if err != nil {
		return 0
	}
	size := info.Size()
	if size < t.offset { // it was truncated
		t.offset, t.records = 0, splitter{}
	}
	if size-t.offset > maxRead {
		skipped = size - maxRead - t.offset
		t.offset, t.records = size-maxRead, splitter{}
	}
	if size == t.offset {
		return skipped
	}
	data := make([]byte, size-t.offset)
	n, err := t.file.ReadAt(data, t.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return skipped
	}
	t.offset += int64(n)
	t.records.write(data[:n], func(record []byte) { t.record(record, c, now) })
	return skipped
}

// record counts one record: {"log":"text\n","stream":"stderr","time":"…"}. Its text is decoded only where it can be an
// error's.
func (t *tail) record(raw []byte, c *Counter, now time.Time) {
	begin, end := bytes.Index(raw, []byte(`"log":"`)), bytes.LastIndex(raw, []byte(`","stream":"`))
	if begin < 0 || end < begin+7 {
		return // the rest of a record whose beginning was passed over
	}
	if t.before(raw[end:]) {
		return
	}
	text := raw[begin+7 : end]
	if len(t.lines.begun) == 0 && bytes.HasSuffix(text, []byte(`\n`)) && !c.wants(text) {
		return
	}
	var decoded string
	if json.Unmarshal(raw[begin+6:end+1], &decoded) == nil {
		t.lines.write([]byte(decoded), func(line []byte) { c.Line(line, now) })
	}
}

// before says whether a record is of before what counts, by its end: …","stream":"stderr","time":"…"}.
func (t *tail) before(end []byte) bool {
	if t.since.IsZero() {
		return false
	}
	_, value, _ := bytes.Cut(end, []byte(`"time":"`))
	at, err := time.Parse(time.RFC3339Nano, string(bytes.TrimRight(value, "\"}")))
	if err != nil || at.Before(t.since) {
		return true
	}
	t.since = time.Time{}
	return false
}
