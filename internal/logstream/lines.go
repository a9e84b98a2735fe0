package logstream

import (
	"io"
)

// Lines gives the lines of a log to line as they come, until the log ends, and closes it. raw says that it is a
// terminal's output, without frames. What has no end is broken as everywhere.
func Lines(logs io.ReadCloser, raw bool, line func(string)) error {
	defer logs.Close()
	return split(newReader(logs, raw), raw, line)
}

// Printer prints lines of several logs, each after whose it is. It may be used by several goroutines.
type Printer struct{ logWriter }

// NewPrinter gives a printer to w; no name is longer than width.
func NewPrinter(w io.Writer, width int) *Printer { return &Printer{logWriter{w: w, width: width}} }
