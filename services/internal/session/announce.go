package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// renewEvery and abandonedAfter: an agent that works on a session renews its claim; one
	// that has not for abandonedAfter is dead, and its sessions go to whoever asks.
	renewEvery     = 3 * time.Second
	abandonedAfter = 12 * time.Second
	// waitForNew bounds one blocking read, and so the wait before abandoned sessions are looked
	// for; below the client's read timeout.
	waitForNew = 2 * time.Second
	// deadConsumer is how long a consumer without claims is kept.
	deadConsumer = time.Hour
)

// Taker takes announced sessions from the stream for one agent run. Close it after use.
type Taker struct {
	store    *Store
	consumer string
	// reading waits for new ones. go-redis ends a blocking read only with its client's connections, hence a client of the
	// taker's own: closing it is what lets a stop not wait for the read.
	reading *redis.Client
}

// Announcement is a session that this run has claimed. Settle it with Done or Release.
type Announcement struct {
	SessionID string
	entry     string
	taker     *Taker
}

// Taker joins the consumer group under a name that must be unique to the run.
func (s *Store) Taker(ctx context.Context, consumer string) (*Taker, error) {
	err := s.redis.XGroupCreateMkStream(ctx, stream, group, "0").Err()
	if err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
		return nil, fmt.Errorf("joining the agents' group: %w", err)
	}
	taker := &Taker{store: s, consumer: consumer}
	if err := taker.forgetDead(ctx); err != nil {
		return nil, err
	}
	options := *s.redis.Options()
	options.PoolSize = 1 // it reads from one goroutine
	taker.reading = redis.NewClient(&options)
	return taker, nil
}

// Close ends the taker's connection; sessions that it took stay taken.
func (t *Taker) Close() { _ = t.reading.Close() }

// forgetDead removes the names of earlier runs that hold nothing; a run that holds a claim keeps
// its name, since deleting it would drop the claim.
func (t *Taker) forgetDead(ctx context.Context) error {
	consumers, err := t.store.redis.XInfoConsumers(ctx, stream, group).Result()
	if err != nil {
		return fmt.Errorf("listing agents: %w", err)
	}
	for _, consumer := range consumers {
		if consumer.Pending == 0 && consumer.Idle > deadConsumer {
			if err := t.store.redis.XGroupDelConsumer(ctx, stream, group, consumer.Name).Err(); err != nil {
				return fmt.Errorf("forgetting agent %q: %w", consumer.Name, err)
			}
		}
	}
	return nil
}

// Take waits for the next session, preferring one whose agent died; nil without error if none
// came for a while. Once its ctx has ended the taker is closed. Not safe for concurrent use.
func (t *Taker) Take(ctx context.Context) (*Announcement, error) {
	messages, _, err := t.store.redis.XAutoClaim(ctx, &redis.XAutoClaimArgs{
		Stream: stream, Group: group, Consumer: t.consumer, MinIdle: abandonedAfter, Start: "0", Count: 1,
	}).Result()
	if err != nil {
		return nil, fmt.Errorf("claiming abandoned sessions: %w", err)
	}
	if len(messages) == 0 {
		defer context.AfterFunc(ctx, t.Close)()
		streams, err := t.reading.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: group, Consumer: t.consumer, Streams: []string{stream, ">"}, Count: 1, Block: waitForNew,
		}).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("reading announced sessions: %w", err)
		}
		if len(streams) == 0 {
			return nil, nil
		}
		messages = streams[0].Messages
	}
	for _, message := range messages {
		id, _ := message.Values["session"].(string) // anything else is not ours: an empty ID is not found
		return &Announcement{SessionID: id, entry: message.ID, taker: t}, nil
	}
	return nil, nil
}

// Hold renews the claim until ctx ends.
func (a *Announcement) Hold(ctx context.Context) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			// A failure shows in every other use of redis too; the next tick tries again.
			_ = a.taker.store.redis.XClaimJustID(ctx, &redis.XClaimArgs{
				Stream: stream, Group: group, Consumer: a.taker.consumer, Messages: []string{a.entry},
			}).Err()
		}
	}
}

// Done settles the announcement: nobody will take it again.
func (a *Announcement) Done(ctx context.Context) error {
	pipe := a.taker.store.redis.TxPipeline()
	pipe.XAck(ctx, stream, group, a.entry)
	pipe.XDel(ctx, stream, a.entry)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("settling session %q: %w", a.SessionID, err)
	}
	return nil
}

// Release gives the session up for the next run at once, rather than after the wait for a dead
// agent: its claim is dated back.
func (a *Announcement) Release(ctx context.Context) error {
	err := a.taker.store.redis.Do(ctx, "XCLAIM", stream, group, a.taker.consumer, 0, a.entry,
		"IDLE", (2 * abandonedAfter).Milliseconds(), "JUSTID").Err()
	if err != nil {
		return fmt.Errorf("releasing session %q: %w", a.SessionID, err)
	}
	return nil
}
