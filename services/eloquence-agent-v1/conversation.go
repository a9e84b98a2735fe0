package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/eloquence"
	"github.com/25eloquence/compose-mage/services/internal/room"
	"github.com/25eloquence/compose-mage/services/internal/session"
	"github.com/25eloquence/compose-mage/services/internal/speech"
	"github.com/25eloquence/compose-mage/services/internal/speechclient"
	"github.com/25eloquence/compose-mage/services/internal/utterance"
)

const (
	joinTries = 5 // LiveKit may be restarting
	tokenLife = time.Hour
	// learnerWait is how long an agent sits in an empty room: the learner was there when the session
	// was announced, and one that left again must not keep a slot.
	learnerWait = time.Minute
	longest     = 30 * time.Minute // one session
	backlog     = 4                // utterances waiting for the transcription
)

var (
	errNobodyCame = fmt.Errorf("no learner joined within %s", learnerWait)
	errTooLong    = fmt.Errorf("the session reached its limit of %s", longest)
)

// errLearnerLeft ends a conversation the usual way.
var errLearnerLeft = errors.New("the learner left")

// conversation is one session under way.
type conversation struct {
	*agent
	session session.Session
	report  session.Report
	room    *room.Room
	heard   chan []int16  // finished utterances of the learner
	came    chan struct{} // holds one once the learner has joined
	log     *slog.Logger
}

// converse holds the conversation of a session until the learner leaves (nil), it fails, or ctx
// ends.
func (a *agent) converse(ctx context.Context, id string, log *slog.Logger) error {
	found, err := a.store.Session(ctx, id)
	if err != nil {
		return err
	}
	report, err := a.store.Report(ctx, id) // there is one if an earlier run began the session
	if err != nil && !errors.Is(err, session.ErrNotFound) {
		return err
	}
	report.SessionID, report.Language = found.ID, found.Language
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	c := &conversation{
		agent: a, session: found, report: report, log: log,
		heard: make(chan []int16, backlog), came: make(chan struct{}, 1),
	}
	if err := c.join(ctx, end); err != nil {
		return err
	}
	defer c.room.Leave()
	c.session.State = session.Listening
	if err := a.store.Save(ctx, c.session); err != nil {
		return err
	}
	if err := c.listen(ctx); !errors.Is(err, errLearnerLeft) {
		return err
	}
	return nil
}

func (c *conversation) join(ctx context.Context, end context.CancelCauseFunc) error {
	// The identity is unique to the run and the session.
	token, err := c.keys.Sign(c.session.Room, c.identity+"-"+c.session.ID[:8], tokenLife)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		c.room, err = room.Join(ctx, c.settings.livekit, token, c.events(end))
		if err == nil || try == joinTries || ctx.Err() != nil {
			break
		}
		c.log.Warn("joining again", "error", err.Error())
		wait(ctx, time.Duration(try)*time.Second)
	}
	if err != nil {
		return err
	}
	if c.room.Present(c.session.Identity) {
		c.arrived()
	}
	c.log.Info("joined", "room", c.session.Room)
	return nil
}

func (c *conversation) arrived() {
	select {
	case c.came <- struct{}{}:
	default: // it is known already
	}
}

func (c *conversation) events(end context.CancelCauseFunc) room.Events {
	learner := c.session.Identity
	return room.Events{
		Joined: func(identity string) {
			if identity == learner {
				c.arrived()
			}
		},
		Left: func(identity string) {
			if identity == learner {
				end(errLearnerLeft)
			}
		},
		Closed: func(reason string) { end(fmt.Errorf("livekit closed the room: %s", reason)) },
		Listen: func(identity string) func([]int16) {
			if identity != learner {
				return nil
			}
			detector := utterance.New(c.settings.silence)
			return func(samples []int16) {
				for _, finished := range detector.Write(samples) {
					select {
					case c.heard <- finished:
					default:
						c.log.Warn("dropping an utterance: the transcription is behind", "backlog", backlog)
					}
				}
			}
		},
	}
}

// listen answers utterance after utterance; it returns why the conversation ended.
func (c *conversation) listen(ctx context.Context) error {
	limit := time.NewTimer(longest)
	defer limit.Stop()
	missing := time.NewTimer(learnerWait)
	defer missing.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-limit.C:
			return errTooLong
		case <-missing.C:
			return errNobodyCame
		case <-c.came:
			missing.Stop()
		case samples := <-c.heard:
			missing.Stop()
			if err := c.turn(ctx, speech.PCM{Samples: samples, Rate: speech.Rate}); err != nil {
				return err
			}
		}
	}
}

// turn transcribes, measures, reports and answers one utterance. Without a transcription there
// is no session; an answer that can't be spoken still stands in the report.
func (c *conversation) turn(ctx context.Context, sound speech.PCM) error {
	began := time.Now()
	transcript, err := speechclient.Transcribe(ctx, c.settings.stt, sound, c.session.Language)
	if err != nil {
		return ended(ctx, err)
	}
	took := time.Since(began).Seconds()
	if strings.TrimSpace(transcript.Text) == "" {
		c.log.Info("heard no words", "spoken_seconds", sound.Duration().Seconds())
		return nil
	}
	measures := eloquence.Measure(c.session.Language, transcript.Words)
	reply := answer(c.session.Language, measures)
	c.report.Add(session.Turn{
		Text: transcript.Text, Engine: transcript.Engine, Model: transcript.Model,
		Spoken: sound.Duration().Seconds(), Took: took, Measures: measures, Answer: reply,
	})
	if err := c.store.SaveReport(ctx, c.report); err != nil {
		return ended(ctx, err)
	}
	c.log.Info("heard", "words", measures.Words, "words_per_minute", measures.WordsPerMinute,
		"spoken_seconds", sound.Duration().Seconds(), "transcribe_seconds", took, "engine", transcript.Engine)
	voice, err := speechclient.Speak(ctx, c.settings.tts, reply, c.session.Language)
	if err == nil {
		err = c.room.Speak(ctx, voice)
	}
	if err != nil && ctx.Err() == nil {
		c.log.Error("answering", "error", err.Error())
	}
	return nil
}

// ended prefers why the conversation is over to the failure that this caused.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
