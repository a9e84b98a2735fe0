package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/services/whisper-stt/pocketsphinx"
	"github.com/25eloquence/compose-mage/services/whisper-stt/transcript"
	"github.com/25eloquence/compose-mage/services/whisper-stt/whisper"
)

// engines chooses the recogniser and keeps it alive.
type engines struct {
	mode    string // auto, whisper or pocketsphinx
	folder  string // of weights
	model   string // a file name there, or "" for the first
	program string // whisper-server
	sphinx  string // PocketSphinx's models
	threads int
	// pause is how long to wait before whisper-server is tried again; it doubles up to a minute.
	pause time.Duration

	mutex  sync.Mutex
	engine transcript.Engine
	reason error  // why engine is nil
	note   string // why Whisper doesn't listen, in auto
}

func (e *engines) set(engine transcript.Engine, reason error) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.engine, e.reason = engine, reason
}

func (e *engines) current() (transcript.Engine, error) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.engine == nil {
		return nil, fmt.Errorf("no recogniser is ready: %w", e.reason)
	}
	return e.engine, nil
}

// check implements serve.Service.Check.
func (e *engines) check(context.Context) (map[string]any, error) {
	engine, err := e.current()
	e.mutex.Lock()
	note := e.note
	e.mutex.Unlock()
	details := map[string]any{"mode": e.mode, "threads": e.threads}
	if note != "" {
		details["note"] = note
	}
	if err != nil {
		return details, err
	}
	details["engine"], details["model"], details["languages"] = engine.Name(), engine.Model(), engine.Languages()
	return details, nil
}

// run implements serve.Service.Run. It returns only with ctx: a service that can't listen stays
// up to say why.
func (e *engines) run(ctx context.Context) error {
	if e.mode != "pocketsphinx" && e.whisper(ctx) {
		return nil
	}
	sphinx, err := pocketsphinx.New(e.sphinx, e.threads)
	if err != nil {
		e.set(nil, err)
		slog.Error("no recogniser", "error", err.Error())
	} else {
		e.set(sphinx, nil)
		slog.Info("listening with pocketsphinx", "model", sphinx.Model(), "languages", sphinx.Languages())
	}
	<-ctx.Done()
	return nil
}

// whisper keeps whisper-server running until ctx ends, then returns true. It returns false where
// PocketSphinx shall listen: in auto, when there are no weights or the child can't load them.
func (e *engines) whisper(ctx context.Context) bool {
	pause := e.pause
	for {
		loaded, err := e.whisperOnce(ctx)
		if ctx.Err() != nil {
			return true
		}
		if e.mode == "auto" && !loaded {
			e.fallBack(err)
			return false
		}
		e.set(nil, err)
		slog.Error("whisper is not ready", "error", err.Error(), "next_try_seconds", pause.Seconds())
		if loaded {
			pause = e.pause
		}
		select {
		case <-ctx.Done():
			return true
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Minute)
	}
}

func (e *engines) fallBack(err error) {
	if errors.Is(err, whisper.ErrNoModel) {
		slog.Info("no whisper weights", "folder", e.folder)
	} else {
		slog.Warn("whisper can't be used: falling back to pocketsphinx", "error", err.Error())
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.note = err.Error()
}

// whisperOnce runs one child to its end. loaded says whether it ever was ready.
func (e *engines) whisperOnce(ctx context.Context) (loaded bool, err error) {
	model, err := whisper.FindModel(e.folder, e.model)
	if err != nil {
		return false, err
	}
	e.set(nil, fmt.Errorf("loading %q", model.Name))
	server := whisper.NewServer(e.program, model, e.threads)
	began, ready := time.Now(), make(chan struct{})
	err = server.Run(ctx, func() {
		e.set(server, nil)
		slog.Info("listening with whisper", "model", model.Name, "multilingual", model.Multilingual, "threads", e.threads,
			"load_seconds", time.Since(began).Seconds())
		close(ready)
	})
	select {
	case <-ready:
		return true, err
	default:
		return false, err
	}
}
