package speech

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestTurns(t *testing.T) {
	turns := make(Turns, 1)
	release, err := turns.Take(context.Background(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := turns.Take(context.Background(), 10*time.Millisecond); !errors.Is(err, ErrBusy) {
		t.Errorf("while taken: got %v", err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := turns.Take(gone, time.Second); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancelling: got %v", err)
	}
	release()
	if _, err := turns.Take(context.Background(), 10*time.Millisecond); err != nil {
		t.Errorf("after release: got %v", err)
	}
}
