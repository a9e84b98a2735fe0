package daemon

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// tailSize is how many bytes of a program's output are kept in memory; all of it is in its log.
const tailSize = 64 << 10

// Tail keeps the end of what is written to it, 64 KiB. Its methods may be called from several goroutines.
type Tail struct {
	mu   sync.Mutex
	data []byte
}

func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if n := len(t.data) - tailSize; n > 0 {
		t.data = append(t.data[:0], t.data[n:]...)
	}
	return len(p), nil
}

// Bytes gives a copy of what is kept.
func (t *Tail) Bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.data)
}

// reportTo reports the last line twice a second until the function that it gives is called.
func (t *Tail) reportTo(report func(string)) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if lines := LastLines(t.Bytes(), 1); len(lines) > 0 {
				report(Shorten(lines[0], 60))
			}
		}
	}()
	return func() { close(done) }
}

// Shorten cuts s to n letters, the last of which then is an ellipsis.
func Shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// LastLines gives the last n lines of data that are not blank, without the blanks around them.
func LastLines(data []byte, n int) []string {
	var lines []string
	for line := range bytes.Lines(data) {
		if text := strings.TrimSpace(string(line)); text != "" {
			lines = append(lines, text)
		}
	}
	return lines[max(0, len(lines)-n):]
}

// LogTail gives the last n lines of the log at path that are not blank; none where it can't be read.
func LogTail(path string, n int) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(max(0, end-tailSize), io.SeekStart)
	}
	if err != nil {
		return nil
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil
	}
	return LastLines(data, n)
}
