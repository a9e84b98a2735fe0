package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/services/internal/serve"
	"github.com/25eloquence/compose-mage/services/internal/session"
	"github.com/25eloquence/compose-mage/services/internal/token"
)

const (
	// retryAfter is the wait after redis failed.
	retryAfter = time.Second
	// settleTimeout bounds the writes that settle a session once its context has ended.
	settleTimeout = 3 * time.Second
)

// agent is one run of the service.
type agent struct {
	settings settings
	keys     token.Keys
	store    *session.Store
	identity string
	slots    chan struct{} // one for each session under way
	taking   atomic.Bool
	talking  atomic.Int64 // sessions under way
}

// run takes sessions until ctx ends, then waits for those under way to be given up. Redis being
// away is no reason to end: it is tried again.
func (a *agent) run(ctx context.Context) error {
	var conversations sync.WaitGroup
	defer conversations.Wait()
	var taker *session.Taker
	leave := func() {
		if taker != nil {
			taker.Close()
			taker = nil
		}
	}
	defer leave()
	for ctx.Err() == nil {
		err := error(nil)
		if taker == nil {
			// From here on redis keeps what is announced for it, and it waits for that at once: it is ready.
			if taker, err = a.store.Taker(ctx, a.identity); err == nil {
				a.taking.Store(true)
				slog.Info("waiting for sessions", "identity", a.identity)
			}
		}
		if err == nil {
			err = a.takeOne(ctx, taker, &conversations)
		}
		a.taking.Store(err == nil)
		if err != nil && ctx.Err() == nil {
			leave() // redis may have lost the group too
			slog.Warn("taking sessions", "error", err.Error())
			wait(ctx, retryAfter)
		}
	}
	return nil
}

func (a *agent) takeOne(ctx context.Context, taker *session.Taker, conversations *sync.WaitGroup) error {
	select {
	case a.slots <- struct{}{}: // a slot first: what can't be served now is left to other agents
	case <-ctx.Done():
		return nil
	}
	announcement, err := taker.Take(ctx)
	if err != nil || announcement == nil {
		<-a.slots
		return err
	}
	conversations.Go(func() {
		a.talking.Add(1)
		defer func() { a.talking.Add(-1); <-a.slots }()
		a.serve(ctx, announcement)
	})
	return nil
}

// serve holds one session's conversation and settles its announcement.
func (a *agent) serve(ctx context.Context, announcement *session.Announcement) {
	log := slog.With("session", announcement.SessionID)
	holding, release := context.WithCancel(ctx)
	go announcement.Hold(holding)
	err := a.converse(ctx, announcement.SessionID, log)
	release()
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	switch {
	case ctx.Err() != nil:
		log.Info("handing session over")
		err = announcement.Release(settling)
	case errors.Is(err, session.ErrNotFound):
		log.Warn("session has expired")
		err = announcement.Done(settling)
	default:
		err = errors.Join(a.end(settling, announcement.SessionID, err, log), announcement.Done(settling))
	}
	if err != nil {
		log.Error("settling session", "error", err.Error())
	}
}

// end writes how a session ended; cause is nil where the learner just left.
func (a *agent) end(ctx context.Context, id string, cause error, log *slog.Logger) error {
	ended, err := a.store.Session(ctx, id)
	if err != nil {
		return err
	}
	ended.State = session.Ended
	if cause != nil {
		ended.Reason = cause.Error()
		log.Warn("session ended", "reason", ended.Reason)
	} else {
		log.Info("session ended")
	}
	return a.store.Save(ctx, ended)
}

// check asks everything the agent needs, at once.
func (a *agent) check(ctx context.Context) (map[string]any, error) {
	details := map[string]any{"identity": a.identity, "sessions": a.talking.Load(), "sessions_limit": a.settings.sessions}
	livekit := strings.Replace(a.settings.livekit, "ws", "http", 1) // wss becomes https
	checks := errgroup.Group{}
	checks.Go(func() error { return a.store.Ping(ctx) })
	for name, url := range map[string]string{
		"livekit": livekit, "whisper-stt": a.settings.stt.URL, "azure-tts": a.settings.tts.URL,
	} {
		checks.Go(func() error {
			if err := serve.Probe(ctx, url+"/health"); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	if err := checks.Wait(); err != nil {
		return details, err
	}
	if !a.taking.Load() {
		return details, errors.New("not yet taking sessions from redis")
	}
	return details, nil
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
