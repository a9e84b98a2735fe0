// Package api is the speech service's HTTP interface: POST /v1/speech, in front of a speech
// engine, an optional local fallback and the cache of answers.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/25eloquence/compose-mage/services/azure-tts/cache"
	"github.com/25eloquence/compose-mage/services/azure-tts/synthesis"
	"github.com/25eloquence/compose-mage/services/internal/admission"
	"github.com/25eloquence/compose-mage/services/internal/serve"
	"github.com/25eloquence/compose-mage/services/internal/speech"
)

// maxBody bounds a request, in bytes: the longest text with every character escaped.
const maxBody = 128 << 10

// cost bounds the memory that a request takes, in bytes, by the length of its body: a character is at most a third
// of a second of speech, a text at most ten minutes, and speech is held as samples, as a file, and once more on its
// way here.
func cost(length int64) int64 { return 1<<20 + min(length*32<<10, 60<<20) }

// maxWait bounds how long a request waits for its turn.
const maxWait = 10 * time.Second

// Speaker answers speech requests.
type Speaker struct {
	Engine   synthesis.Engine
	Fallback synthesis.Engine // speaks where Engine fails; nil for never
	Cache    *cache.Cache     // nil for none
	turns    speech.Turns
}

// New returns a Speaker that lets at most concurrency requests speak at once.
func New(engine, fallback synthesis.Engine, kept *cache.Cache, concurrency int) *Speaker {
	return &Speaker{Engine: engine, Fallback: fallback, Cache: kept, turns: make(speech.Turns, concurrency)}
}

// Handler serves POST /v1/speech: {"text","language","voice"} in; audio/wav out, 16 kHz mono 16-bit, with X-Voice
// (who spoke) and X-Cache (hit or miss). Errors are serve.Failure. A request needs the token, and room in the
// budget from before its body is read until its answer is taken.
func (s *Speaker) Handler(token serve.Token, budget *admission.Budget) http.Handler {
	mux := http.NewServeMux()
	intake := serve.Intake{Type: "application/json", Largest: maxBody, Cost: cost, Budget: budget}
	mux.Handle("POST /v1/speech", token.Demand(intake.Handle(s.speak)))
	return mux
}

func (s *Speaker) speak(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Text     string `json:"text"`
		Language string `json:"language"`
		Voice    string `json:"voice"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		if serve.FailedBody(w, err) {
			return
		}
		serve.Refuse(w, http.StatusBadRequest, "invalid_json", `want a JSON object {"text","language","voice"}: `+err.Error())
		return
	}
	request, err := synthesis.Normalize(synthesis.Request{Text: body.Text, Language: body.Language, Voice: body.Voice})
	if err != nil {
		fail(w, err)
		return
	}
	answer, err := s.answer(r.Context(), request)
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "audio/wav")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer.wav)))
	w.Header().Set("X-Voice", answer.voice)
	w.Header().Set("X-Cache", map[bool]string{true: "hit", false: "miss"}[answer.hit])
	_, _ = w.Write(answer.wav) // the client may have left
}

type answer struct {
	wav   []byte
	voice string
	hit   bool
}

// answer asks the engine and, where that fails for reasons of its own, the fallback. What the
// fallback says is kept under its own key: Azure is asked again next time.
func (s *Speaker) answer(ctx context.Context, request synthesis.Request) (answer, error) {
	said, err := s.from(ctx, s.Engine, request)
	if unsupported := (*synthesis.UnsupportedError)(nil); err == nil || s.Fallback == nil || ctx.Err() != nil || errors.As(err, &unsupported) {
		return said, err
	}
	slog.Warn("falling back to the local voice", "error", err.Error())
	request.Voice = "" // it named a voice of the other engine
	return s.from(ctx, s.Fallback, request)
}

func (s *Speaker) from(ctx context.Context, engine synthesis.Engine, request synthesis.Request) (answer, error) {
	voice, err := engine.Voice(request)
	if err != nil {
		return answer{}, err
	}
	key := cache.Key("1", engine.Identity(), voice, request.Language, request.Text)
	if s.Cache != nil {
		if wav := s.Cache.Get(key); wav != nil {
			return answer{wav: wav, voice: voice, hit: true}, nil
		}
	}
	release, err := s.turns.Take(ctx, maxWait)
	if err != nil {
		return answer{}, err
	}
	defer release()
	sound, err := engine.Speak(ctx, request.Text, voice)
	if err != nil {
		return answer{}, err
	}
	wav := speech.EncodeWAV(sound)
	if s.Cache != nil {
		if err := s.Cache.Put(key, wav); err != nil {
			slog.Warn("answer not kept", "error", err.Error()) // a full disk must not silence the voice
		}
	}
	return answer{wav: wav, voice: voice}, nil
}

// fail maps what went wrong to a status: 422 for what is not offered, 503 for "later", 504 and
// 502 for Azure's failures.
func fail(w http.ResponseWriter, err error) {
	var unsupported *synthesis.UnsupportedError
	var azure *synthesis.AzureError
	switch {
	case errors.As(err, &unsupported):
		serve.Fail(w, http.StatusUnprocessableEntity, unsupported.Code, unsupported.Message)
		return
	case errors.Is(err, speech.ErrBusy):
		w.Header().Set("Retry-After", "1")
		serve.Fail(w, http.StatusServiceUnavailable, "busy", err.Error())
	case errors.As(err, &azure) && (azure.Status == http.StatusTooManyRequests || azure.Status == http.StatusServiceUnavailable):
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(max(1, azure.RetryAfter.Seconds())))))
		serve.Fail(w, http.StatusServiceUnavailable, "azure_unavailable", azure.Error())
	case errors.As(err, &azure):
		serve.Fail(w, http.StatusBadGateway, "azure_failed", azure.Error())
	case errors.Is(err, context.DeadlineExceeded):
		serve.Fail(w, http.StatusGatewayTimeout, "timeout", "speaking took too long")
	case errors.Is(err, context.Canceled):
		return // the client has left
	default:
		serve.Fail(w, http.StatusBadGateway, "speaking_failed", "speaking failed: see the service's log")
	}
	slog.Error("speaking failed", "error", err.Error())
}
