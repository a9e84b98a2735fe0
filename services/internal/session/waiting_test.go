package session

import (
	"errors"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestWaitingSessionsAreCountedAndForgotten: sessions that are opened and left alone neither fill redis nor reach
// an agent.
func TestWaitingSessionsAreCountedAndForgotten(t *testing.T) {
	store := opened(t)
	const most = 20
	stored := 0
	for range 10 * most {
		switch err := store.Create(t.Context(), New("en"), most); {
		case err == nil:
			stored++
		case !errors.Is(err, ErrFull):
			t.Fatal(err)
		}
	}
	ids, err := store.Waiting(t.Context())
	if err != nil || stored != most || len(ids) != most {
		t.Fatalf("%d stored and %d wait (%v), want %d", stored, len(ids), err, most)
	}
	if left := store.redis.PTTL(t.Context(), key(ids[0])).Val(); left <= 0 || left > JoinWithin {
		t.Errorf("a session that waits is kept for %s, want up to %s", left, JoinWithin)
	}
	if count := store.redis.XLen(t.Context(), stream).Val(); count != 0 {
		t.Errorf("%d sessions without a learner were announced", count)
	}
	// As if their time were over.
	for _, id := range ids {
		store.redis.ZAdd(t.Context(), waiting, redis.Z{Score: 1, Member: id})
	}
	if err := store.Create(t.Context(), New("en"), most); err != nil {
		t.Errorf("after the others have expired: %v", err)
	}
	if ids, err := store.Waiting(t.Context()); err != nil || len(ids) != 1 {
		t.Errorf("%d wait (%v), want the new one", len(ids), err)
	}
}

func TestSessionIsAnnouncedOnceAndThenKept(t *testing.T) {
	store := opened(t)
	session := New("en")
	if err := store.Create(t.Context(), session, 1); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := store.Announce(t.Context(), session.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Announce(t.Context(), New("en").ID); err != nil {
		t.Fatal(err)
	}
	if count := store.redis.XLen(t.Context(), stream).Val(); count != 1 {
		t.Errorf("%d announcements, want 1", count)
	}
	if left := store.redis.TTL(t.Context(), key(session.ID)).Val(); left < keep-time.Minute {
		t.Errorf("a session whose learner came is kept for %s, want %s", left, keep)
	}
	if err := store.Create(t.Context(), New("en"), 1); err != nil {
		t.Errorf("what is announced no longer waits: %v", err)
	}
}

// TestTakerKeepsItsConnection: one for each wait of two seconds was a client's making and ending, 43,000 times a day.
func TestTakerKeepsItsConnection(t *testing.T) {
	store := opened(t)
	taker := joined(t, store, "agent")
	take(t, taker, create(t, store).ID)
	before := connections(t, store)
	for range 20 {
		take(t, taker, create(t, store).ID)
	}
	if made := connections(t, store) - before; made > 1 {
		t.Errorf("20 sessions took %d new connections", made)
	}
}

func connections(t *testing.T, store *Store) int {
	t.Helper()
	info := store.redis.Info(t.Context(), "stats").Val()
	found := regexp.MustCompile(`total_connections_received:(\d+)`).FindStringSubmatch(info)
	if found == nil {
		t.Fatalf("no count of connections in %q", info)
	}
	count, _ := strconv.Atoi(found[1])
	return count
}
