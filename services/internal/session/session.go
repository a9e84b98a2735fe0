// Package session keeps conversations in redis: the sessions api-backend opens, the stream that
// announces them to the agent, and the reports the agent writes. It owns the keys and their
// life times, not what is said in a session.
//
// Keys: "session:<id>" and "session:<id>:report" (JSON, expiring), the sorted set
// "sessions:waiting" of those that no learner has joined yet, by when they expire, and the stream
// "sessions:announced" with the consumer group "agents". A session is announced once its learner
// is there, so that sessions that are opened and left alone cost an agent nothing. An announcement
// stays pending until the agent that took it finishes, so one that dies leaves it for the next.
package session

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/25eloquence/compose-mage/services/internal/eloquence"
)

const (
	// keep is how long a session and its report can be read after the last change.
	keep = 24 * time.Hour
	// JoinWithin is how long a session waits for its learner; then it is forgotten.
	JoinWithin = 2 * time.Minute
	// announcements bounds the stream, far above mostAnnounced.
	announcements = 10_000
	// mostAnnounced bounds the sessions whose learner is there and that are not over: in the hands of an agent, or
	// waiting for one.
	mostAnnounced = 500

	waiting = "sessions:waiting"
	stream  = "sessions:announced"
	group   = "agents"
)

// The states of a session, in order.
const (
	Waiting   = "waiting"   // for its learner, or for an agent
	Listening = "listening" // an agent is in the room
	Ended     = "ended"     // the learner left, or Reason says what went wrong
)

// ErrNotFound says that redis holds no such session or report: never opened, or expired.
var ErrNotFound = errors.New("not found")

// ErrFull says that as many sessions wait as may; asking again later may succeed.
var ErrFull = errors.New("too many sessions wait")

// Session is one conversation of a learner with the agent.
type Session struct {
	ID       string    `json:"id"`       // 32 hexadecimal digits
	Room     string    `json:"room"`     // LiveKit room
	Identity string    `json:"identity"` // the learner's in the room
	Language string    `json:"language"` // ISO 639-1
	State    string    `json:"state"`
	Reason   string    `json:"reason,omitempty"` // why it ended early
	Created  time.Time `json:"created_at"`
}

// Room is the name of the LiveKit room of the session of that ID.
func Room(id string) string { return "room-" + id }

// Learner is the learner's identity in the room of the session of that ID.
func Learner(id string) string { return "learner-" + id[:8] }

// New makes a session with unguessable names.
func New(language string) Session {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails, see crypto/rand
	text := hex.EncodeToString(id[:])
	return Session{
		ID: text, Room: Room(text), Identity: Learner(text),
		Language: language, State: Waiting, Created: time.Now().UTC(),
	}
}

var idPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// ValidID tells whether text can be the ID of a session.
func ValidID(text string) bool { return idPattern.MatchString(text) }

// Report is what the agent heard in a session so far, utterance by utterance.
type Report struct {
	SessionID string    `json:"session_id"`
	Language  string    `json:"language"`
	Turns     []Turn    `json:"turns"` // oldest first, at most MaxTurns
	Updated   time.Time `json:"updated_at"`
}

// MaxTurns bounds a report; older turns go first.
const MaxTurns = 100

// Turn is one utterance of the learner and the answer to it.
type Turn struct {
	Text     string             `json:"text"`   // as transcribed
	Engine   string             `json:"engine"` // that heard it
	Model    string             `json:"model"`
	Spoken   float64            `json:"spoken_seconds"`
	Took     float64            `json:"transcribe_seconds"`
	Measures eloquence.Measures `json:"measures"`
	Answer   string             `json:"answer"` // what the agent says aloud
}

// Add appends a turn.
func (r *Report) Add(turn Turn) {
	r.Turns = append(r.Turns, turn)
	if surplus := len(r.Turns) - MaxTurns; surplus > 0 {
		r.Turns = r.Turns[surplus:]
	}
	r.Updated = time.Now().UTC()
}

// Store is the sessions in one redis; safe for concurrent use.
type Store struct{ redis *redis.Client }

// Open prepares a client for the redis at address (host:port); it connects on first use.
func Open(address, password string) *Store {
	return &Store{redis: redis.NewClient(&redis.Options{
		Addr: address, Password: password,
		DialTimeout: 2 * time.Second, ReadTimeout: 3 * time.Second, WriteTimeout: 3 * time.Second,
	})}
}

// Close ends all connections.
func (s *Store) Close() error { return s.redis.Close() }

// Ping asks redis whether it answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.redis.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("asking redis: %w", err)
	}
	return nil
}

// Save stores a changed session and extends its life.
func (s *Store) Save(ctx context.Context, session Session) error {
	return s.set(ctx, key(session.ID), session)
}

// Session reads a session; ErrNotFound if there is none.
func (s *Store) Session(ctx context.Context, id string) (Session, error) {
	var session Session
	return session, s.get(ctx, key(id), &session)
}

// SaveReport stores the report of a session in place of the one before.
func (s *Store) SaveReport(ctx context.Context, report Report) error {
	return s.set(ctx, reportKey(report.SessionID), report)
}

// Report reads the report of a session; ErrNotFound while there is none.
func (s *Store) Report(ctx context.Context, id string) (Report, error) {
	var report Report
	return report, s.get(ctx, reportKey(id), &report)
}

func (s *Store) set(ctx context.Context, key string, value any) error {
	text, err := json.Marshal(value)
	if err == nil {
		err = s.redis.Set(ctx, key, text, keep).Err()
	}
	if err != nil {
		return fmt.Errorf("writing %q to redis: %w", key, err)
	}
	return nil
}

func (s *Store) get(ctx context.Context, key string, value any) error {
	text, err := s.redis.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return fmt.Errorf("reading %q from redis: %w", key, ErrNotFound)
	}
	if err == nil {
		err = json.Unmarshal(text, value)
	}
	if err != nil {
		return fmt.Errorf("reading %q from redis: %w", key, err)
	}
	return nil
}

func key(id string) string       { return "session:" + id }
func reportKey(id string) string { return "session:" + id + ":report" }
