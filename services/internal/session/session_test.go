package session

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/redistest"
)

func opened(t *testing.T) *Store {
	t.Helper()
	store := Open(redistest.Start(t), "")
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func joined(t *testing.T, store *Store, name string) *Taker {
	t.Helper()
	taker, err := store.Taker(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(taker.Close)
	return taker
}

// take expects the session of that ID, or none for "".
func take(t *testing.T, taker *Taker, want string) *Announcement {
	t.Helper()
	got, err := taker.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case want == "" && got != nil:
		t.Fatalf("got session %q, want none", got.SessionID)
	case want != "" && (got == nil || got.SessionID != want):
		t.Fatalf("got %+v, want session %q", got, want)
	}
	return got
}

func create(t *testing.T, store *Store) Session {
	t.Helper()
	session := New("en")
	if err := errors.Join(store.Create(t.Context(), session, 10), store.Announce(t.Context(), session.ID)); err != nil {
		t.Fatal(err)
	}
	return session
}

func TestStoreKeepsSessionsAndReports(t *testing.T) {
	store := opened(t)
	session := create(t, store)
	got, err := store.Session(t.Context(), session.ID)
	if err != nil || got != session {
		t.Errorf("got %+v, %v, want %+v", got, err, session)
	}
	if !ValidID(session.ID) || ValidID("../"+session.ID) {
		t.Errorf("ValidID misjudges %q", session.ID)
	}
	if _, err := store.Report(t.Context(), session.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("a report before there is one: %v", err)
	}
	report := Report{SessionID: session.ID, Language: "en"}
	for range MaxTurns + 5 {
		report.Add(Turn{Text: "again"})
	}
	report.Add(Turn{Text: "last"})
	if err := store.SaveReport(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	read, err := store.Report(t.Context(), session.ID)
	if err != nil || len(read.Turns) != MaxTurns || read.Turns[MaxTurns-1].Text != "last" {
		t.Errorf("got %d turns (%v), want the latest %d", len(read.Turns), err, MaxTurns)
	}
	for _, key := range []string{key(session.ID), reportKey(session.ID)} {
		if left := store.redis.TTL(t.Context(), key).Val(); left <= 0 || left > keep {
			t.Errorf("%q lives for %s, want up to %s", key, left, keep)
		}
	}
}

func TestAnnouncementsWaitForAnAgent(t *testing.T) {
	store := opened(t)
	first, second := create(t, store), create(t, store) // before any agent ran
	taker := joined(t, store, "one")
	done := take(t, taker, first.ID)
	take(t, taker, second.ID)
	if err := done.Done(t.Context()); err != nil {
		t.Fatal(err)
	}
	take(t, joined(t, store, "two"), "") // the second is held, the first settled
}

func TestReleasedSessionIsTakenAtOnce(t *testing.T) {
	store := opened(t)
	session := create(t, store)
	old := take(t, joined(t, store, "old"), session.ID)
	if err := old.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	take(t, joined(t, store, "new"), session.ID)
	if took := time.Since(began); took > time.Second {
		t.Errorf("taken after %s, want at once", took)
	}
}

// An agent that is killed leaves its session to the next; one that lives keeps it by Hold.
func TestDeadAgentsSessionIsTakenHeldOneIsNot(t *testing.T) {
	store := opened(t)
	dead, alive := create(t, store), create(t, store)
	old := joined(t, store, "old")
	take(t, old, dead.ID)
	held := take(t, old, alive.ID)
	holding, stop := context.WithCancel(t.Context())
	defer stop()
	go held.Hold(holding)
	time.Sleep(abandonedAfter + 500*time.Millisecond)
	next := joined(t, store, "new")
	take(t, next, dead.ID)
	take(t, next, "")
}

// TestTakeEndsWithItsContext: a blocking read that holds up a stop makes every restart of the agent slower.
func TestTakeEndsWithItsContext(t *testing.T) {
	taker := joined(t, opened(t), "agent")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if got, err := taker.Take(ctx); got != nil || err == nil {
			t.Errorf("got %v, %v, want an error: it was interrupted", got, err)
		}
	}()
	time.Sleep(100 * time.Millisecond) // into the read
	cancel()
	select {
	case <-ended:
	case <-time.After(waitForNew / 2):
		t.Error("it goes on reading after its context has ended")
	}
	<-ended
}
