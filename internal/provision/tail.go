package provision

import (
	"slices"
	"sync"
)

// tailSize is how many bytes of a child's output are kept in memory; all of it is in its log.
const tailSize = 64 << 10

// tailBuffer keeps the end of what is written to it. Its methods may be called from several goroutines.
type tailBuffer struct {
	mu   sync.Mutex
	data []byte
}

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if n := len(t.data) - tailSize; n > 0 {
		t.data = append(t.data[:0], t.data[n:]...)
	}
	return len(p), nil
}

func (t *tailBuffer) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.data)
}
