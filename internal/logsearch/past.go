package logsearch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
)

// Log is that of one container.
type Log struct {
	Service, Container string
	// Open gives the log with times up to now, and says whether it has no frames, as that of a terminal.
	Open func(ctx context.Context) (log io.ReadCloser, raw bool, err error)
}

// ahead is how many entries of a container are read before the merge wants them.
const ahead = 64

// past gives the entries that the filter wants of all logs in the order of time, until give returns an error. A log
// whose entries are not in order is given on as it is. It returns what of the logs could not be read.
func past(ctx context.Context, logs []Log, f filter, give func(Entry) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		heads  []*head
		errs   = make([]error, len(logs))
		wait   sync.WaitGroup
		output error
	)
	for i, log := range logs {
		entries := make(chan Entry, ahead)
		wait.Go(func() {
			defer close(entries)
			errs[i] = readLog(ctx, log, f, entries)
		})
		heads = append(heads, &head{from: entries})
	}
	for output == nil {
		first := earliest(heads)
		if first == nil {
			break
		}
		output = give(first.entry)
		first.has = false
	}
	cancel()
	wait.Wait()
	if output != nil {
		return output
	}
	return errors.Join(errs...)
}

// head is the next entry of a log.
type head struct {
	from  <-chan Entry
	entry Entry
	has   bool
	ended bool
}

// earliest waits until every log has a next entry or is at its end, and gives the one whose entry is the oldest; nil
// where all are at their ends.
func earliest(heads []*head) (first *head) {
	for _, h := range heads {
		if !h.has && !h.ended {
			h.entry, h.has = <-h.from
			h.ended = !h.has
		}
		if h.has && (first == nil || h.entry.Time.Before(first.entry.Time)) {
			first = h
		}
	}
	return first
}

func readLog(ctx context.Context, log Log, f filter, to chan<- Entry) error {
	opened, raw, err := log.Open(ctx)
	if err != nil {
		return notRead(ctx, log.Container, err)
	}
	defer opened.Close()
	stop := context.AfterFunc(ctx, func() { _ = opened.Close() })
	defer stop()
	a := &assembler{service: log.Service, container: log.Container, to: func(e Entry) {
		if f.wants(e) {
			select {
			case to <- e:
			case <-ctx.Done():
			}
		}
	}}
	now := time.Now()
	err = read(opened, raw, func(l line) { a.line(l, now) })
	a.endAll()
	return notRead(ctx, log.Container, err)
}

func notRead(ctx context.Context, container string, err error) error {
	if err == nil || ctx.Err() != nil || cerrdefs.IsNotFound(err) { // removed meanwhile
		return nil
	}
	return fmt.Errorf("reading the log of %s: %w", container, err)
}
