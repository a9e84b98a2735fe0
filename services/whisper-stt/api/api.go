// Package api is the transcription service's HTTP interface: POST /v1/audio/transcriptions as in
// OpenAI's API, in front of whichever recogniser is ready.
package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/serve"
	"github.com/25eloquence/compose-mage/services/internal/speech"
	"github.com/25eloquence/compose-mage/services/whisper-stt/transcript"
)

// maxFile bounds an upload, in bytes, as OpenAI does: 13 minutes of 16 kHz mono.
const maxFile = 25 << 20

// maxSpeech bounds the sound in one request: a small file can hold much at 8 kHz.
const maxSpeech = 15 * time.Minute

// Current returns the recogniser that is ready, or why none is.
type Current func() (transcript.Engine, error)

// Handler serves POST /v1/audio/transcriptions: multipart/form-data with file (WAV, 16-bit PCM,
// mono or stereo, 8 to 96 kHz), language, and response_format json, text or verbose_json. The
// field model is accepted and ignored: the answer names the engine and model that listened, in
// the JSON and in X-Engine and X-Model. Errors are serve.Failure.
func Handler(current Current) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/audio/transcriptions", func(w http.ResponseWriter, r *http.Request) {
		engine, err := current()
		if err != nil {
			w.Header().Set("Retry-After", "5")
			serve.Fail(w, http.StatusServiceUnavailable, "not_ready", err.Error())
			return
		}
		w.Header().Set("X-Engine", engine.Name())
		w.Header().Set("X-Model", engine.Model())
		transcribe(w, r, engine)
	})
	return mux
}

func transcribe(w http.ResponseWriter, r *http.Request, engine transcript.Engine) {
	request, refused := read(w, r, engine)
	if refused != nil {
		serve.Fail(w, refused.status, refused.code, refused.message)
		return
	}
	heard, err := engine.Transcribe(r.Context(), request.sound, request.language)
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, engine, request, heard)
}

type request struct {
	sound    speech.PCM // at speech.Rate
	language string
	format   string
}

// refusal is an answer to a request that can't be taken.
type refusal struct {
	status        int
	code, message string
}

func read(w http.ResponseWriter, r *http.Request, engine transcript.Engine) (request, *refusal) {
	const fields = 64 << 10
	r.Body = http.MaxBytesReader(w, r.Body, maxFile+fields)
	if err := r.ParseMultipartForm(maxFile + fields); err != nil { // #nosec G120 -- bounded above
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			return request{}, &refusal{http.StatusRequestEntityTooLarge, "file_too_large", "the file is larger than 25 MiB"}
		}
		return request{}, &refusal{http.StatusBadRequest, "invalid_form", "want multipart/form-data with a field file: " + err.Error()}
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }()
	format := r.FormValue("response_format")
	switch format {
	case "":
		format = "json"
	case "json", "text", "verbose_json":
	default:
		return request{}, &refusal{http.StatusBadRequest, "invalid_response_format", "response_format must be json, text or verbose_json"}
	}
	language, err := transcript.Language(engine, r.FormValue("language"))
	if err != nil {
		return request{}, &refusal{http.StatusUnprocessableEntity, "unsupported_language", err.Error()}
	}
	sound, refused := readSound(r)
	return request{sound: sound, language: language, format: format}, refused
}

func readSound(r *http.Request) (speech.PCM, *refusal) {
	part, _, err := r.FormFile("file")
	if err != nil {
		return speech.PCM{}, &refusal{http.StatusBadRequest, "missing_file", "the form has no file in the field file"}
	}
	defer func() { _ = part.Close() }()
	file, err := io.ReadAll(part)
	if err != nil {
		return speech.PCM{}, &refusal{http.StatusBadRequest, "invalid_file", err.Error()}
	}
	sound, err := speech.DecodeWAV(file)
	switch {
	case err != nil:
		return sound, &refusal{http.StatusBadRequest, "invalid_audio", err.Error()}
	case len(sound.Samples) == 0:
		return sound, &refusal{http.StatusBadRequest, "empty_audio", "the file holds no sound"}
	case sound.Duration() > maxSpeech:
		return sound, &refusal{http.StatusRequestEntityTooLarge, "audio_too_long", "the file holds more than 15 minutes of sound"}
	}
	return speech.Resample(sound, speech.Rate), nil
}

// answer writes text/plain, or JSON: {"text","engine","model"} and, verbose, also "task",
// "language", "duration" (seconds) and "words".
func answer(w http.ResponseWriter, engine transcript.Engine, asked request, heard transcript.Transcript) {
	switch asked.format {
	case "text":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, strings.TrimSpace(heard.Text)+"\n") // the client may have left
	case "json":
		serve.JSON(w, http.StatusOK, struct {
			Text   string `json:"text"`
			Engine string `json:"engine"`
			Model  string `json:"model"`
		}{heard.Text, engine.Name(), engine.Model()})
	default:
		serve.JSON(w, http.StatusOK, struct {
			Task     string            `json:"task"`
			Text     string            `json:"text"`
			Language string            `json:"language"`
			Duration float64           `json:"duration"`
			Engine   string            `json:"engine"`
			Model    string            `json:"model"`
			Words    []transcript.Word `json:"words"`
		}{
			"transcribe", heard.Text, heard.Language, float64(asked.sound.Duration().Milliseconds()) / 1000,
			engine.Name(), engine.Model(), heard.Words,
		})
	}
}

func fail(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, speech.ErrBusy):
		w.Header().Set("Retry-After", "5")
		serve.Fail(w, http.StatusServiceUnavailable, "busy", err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		serve.Fail(w, http.StatusGatewayTimeout, "timeout", "listening took too long")
	case errors.Is(err, context.Canceled):
		return // the client has left
	default:
		serve.Fail(w, http.StatusBadGateway, "listening_failed", "the recogniser failed: see the service's log")
	}
	slog.Error("listening failed", "error", err.Error())
}
