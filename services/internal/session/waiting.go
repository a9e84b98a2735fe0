package session

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// The scripts take the time from redis: the clocks of those who ask may differ.
const now = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
`

// open counts and stores in one step. KEYS: waiting, stream, session. ARGV: id, value, milliseconds to join, most
// that wait, most that are announced.
var open = redis.NewScript(now + `
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) or redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[5]) then return 0 end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
return 1`)

// listWaiting gives the IDs. KEYS: waiting.
var listWaiting = redis.NewScript(now + `return redis.call('ZRANGE', KEYS[1], 0, -1)`)

// announce does nothing for a session that is announced already or has expired: several may see the learner come.
// KEYS: waiting, stream, session. ARGV: id, milliseconds to keep, length of the stream.
var announce = redis.NewScript(now + `
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 or redis.call('PEXPIRE', KEYS[3], ARGV[2]) == 0 then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'session', ARGV[1])
return 1`)

// Create stores a new session, which then waits JoinWithin for its learner; ErrFull where most wait already.
func (s *Store) Create(ctx context.Context, session Session, most int) error {
	value, err := json.Marshal(session)
	if err != nil {
		return fmt.Errorf("storing session: %w", err)
	}
	stored, err := open.Run(ctx, s.redis, []string{waiting, stream, key(session.ID)},
		session.ID, value, JoinWithin.Milliseconds(), strconv.Itoa(most), strconv.Itoa(mostAnnounced)).Int()
	if err != nil {
		return fmt.Errorf("storing session: %w", err)
	}
	if stored == 0 {
		return ErrFull
	}
	return nil
}

// Waiting lists the IDs of the sessions that no learner has joined yet.
func (s *Store) Waiting(ctx context.Context) ([]string, error) {
	ids, err := listWaiting.Run(ctx, s.redis, []string{waiting}).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("listing waiting sessions: %w", err)
	}
	return ids, nil
}

// Announce hands a session whose learner has come to the agents, once.
func (s *Store) Announce(ctx context.Context, id string) error {
	err := announce.Run(ctx, s.redis, []string{waiting, stream, key(id)}, id, keep.Milliseconds(), announcements).Err()
	if err != nil {
		return fmt.Errorf("announcing session %q: %w", id, err)
	}
	return nil
}
