package logerrors

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// logFile is a file as the engine's json-file driver writes it.
type logFile struct {
	t    *testing.T
	path string
	at   string // the time of its records
}

func (f logFile) add(texts ...string) {
	f.t.Helper()
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, text := range texts {
		data, _ := json.Marshal(text)
		_, err = fmt.Fprintf(file, `{"log":%s,"stream":"stderr","time":%q}`+"\n", data, f.at)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		f.t.Fatal(err)
	}
}

// TestOnlyWhatIsAppendedIsRead goes through what the engine and people do to a log file.
func TestOnlyWhatIsAppendedIsRead(t *testing.T) {
	f := logFile{t, filepath.Join(t.TempDir(), "a-json.log"), "2026-11-27T08:00:01.123456789Z"}
	f.add("ERROR before\n")
	file, err := openTail(f.path, time.Date(2026, 11, 27, 8, 0, 1, 123456790, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	defer file.close()
	c := NewCounter(noon)
	check := func(what string, want, skipped int64) {
		t.Helper()
		got := file.read(c, noon)
		if e := c.Errors(noon); e.Total != want || (got > 0) != (skipped > 0) {
			t.Errorf("%s: %d errors, %d bytes passed over", what, e.Total, got)
		}
	}
	check("what was before", 0, 0)
	f.at = "2026-11-27T08:00:01.12345679Z"
	f.add("ERROR one\n", "all is well\n", "ERROR \"two\"\n")
	check("appended", 2, 0)
	check("nothing new", 2, 0)
	f.add("ERR", "OR in two parts\n")
	check("a line in two records", 3, 0)
	if err := os.Rename(f.path, f.path+".1"); err != nil {
		t.Fatal(err)
	}
	logFile{t, f.path + ".1", f.at}.add("ERROR before the rotation\n")
	check("vanished", 4, 0)
	f.add("ERROR after the rotation\n")
	check("rotated", 5, 0)
	if err := os.Truncate(f.path, 0); err != nil {
		t.Fatal(err)
	}
	check("truncated", 5, 0)
	f.add("ERROR x\n")
	check("after it was truncated", 6, 0)
	f.add("ERROR passed over\n")
	for range maxRead >> 10 {
		f.add(strings.Repeat("x", 1<<10) + "\n")
	}
	f.add("ERROR at the end\n")
	check("more than is read", 7, 1)
	if _, err := openTail(t.TempDir(), noon); err == nil {
		t.Error("a directory is read")
	}
}
