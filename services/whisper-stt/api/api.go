// Package api is the transcription service's HTTP interface: POST /v1/audio/transcriptions as in
// OpenAI's API, in front of whichever recogniser is ready.
package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/admission"
	"github.com/25eloquence/compose-mage/services/internal/serve"
	"github.com/25eloquence/compose-mage/services/internal/speech"
	"github.com/25eloquence/compose-mage/services/whisper-stt/transcript"
)

// maxFile bounds an upload, in bytes, as OpenAI does: 13 minutes of 16 kHz mono.
const maxFile = 25 << 20

// maxSpeech bounds the sound in one request: a small file can hold much at 8 kHz.
const maxSpeech = 15 * time.Minute

// maxFields bounds what a form has besides the file, in bytes.
const maxFields = 64 << 10

// cost bounds the memory that a request takes, in bytes, by the length of its body: file, samples, the same at 16
// kHz (twice as many at most), the file made of them, and its copy on the way to the recogniser. A filter for an
// odd rate takes the rest.
func cost(length int64) int64 { return 16<<20 + 6*length }

// Current returns the recogniser that is ready, or why none is.
type Current func() (transcript.Engine, error)

// Handler serves POST /v1/audio/transcriptions: multipart/form-data with file (WAV, 16-bit PCM, mono or stereo, 8
// to 96 kHz), language, and response_format json, text or verbose_json. The field model is accepted and ignored:
// the answer names the engine and model that listened, in the JSON and in X-Engine and X-Model. Errors are
// serve.Failure. A request needs the token, and room in the budget from before its body is read until it is
// answered.
func Handler(current Current, token serve.Token, budget *admission.Budget) http.Handler {
	mux := http.NewServeMux()
	intake := serve.Intake{Type: "multipart/form-data", Largest: maxFile + maxFields, Cost: cost, Budget: budget}
	mux.Handle("POST /v1/audio/transcriptions", token.Demand(intake.Handle(func(w http.ResponseWriter, r *http.Request) {
		engine, err := current()
		if err != nil {
			w.Header().Set("Retry-After", "5")
			serve.Fail(w, http.StatusServiceUnavailable, "not_ready", err.Error())
			return
		}
		w.Header().Set("X-Engine", engine.Name())
		w.Header().Set("X-Model", engine.Model())
		transcribe(w, r, engine)
	})))
	return mux
}

func transcribe(w http.ResponseWriter, r *http.Request, engine transcript.Engine) {
	request, refused := read(r, engine)
	if refused != nil {
		if !serve.FailedBody(w, refused.cause) {
			serve.Refuse(w, refused.status, refused.code, refused.message)
		}
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
	cause         error // why the body could not be read to its end, nil where it was
}

// read takes the form apart as it comes: nothing of it is held twice, and nothing goes to disk.
func read(r *http.Request, engine transcript.Engine) (request, *refusal) {
	parts, err := r.MultipartReader()
	if err != nil {
		return request{}, invalidForm(err)
	}
	fields, file := map[string]string{}, []byte(nil)
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return request{}, invalidForm(err)
		}
		var content bytes.Buffer
		// The body has a bound: what the fields take of it the file can't.
		if _, err := content.ReadFrom(part); err != nil {
			return request{}, invalidForm(err)
		}
		switch name := part.FormName(); {
		case name == "file" && file != nil:
			return request{}, &refusal{
				status: http.StatusBadRequest, code: "invalid_form", message: "the form has more than one file",
			}
		case name == "file":
			file = content.Bytes()
		case content.Len() > maxFields:
			return request{}, &refusal{
				status: http.StatusRequestEntityTooLarge, code: "field_too_large", message: "a field is larger than 64 KiB",
			}
		default:
			fields[name] = content.String()
		}
	}
	return check(fields, file, engine)
}

func invalidForm(err error) *refusal {
	message := "want multipart/form-data with a field file: " + err.Error()
	return &refusal{http.StatusBadRequest, "invalid_form", message, err}
}

func check(fields map[string]string, file []byte, engine transcript.Engine) (request, *refusal) {
	format := fields["response_format"]
	switch format {
	case "":
		format = "json"
	case "json", "text", "verbose_json":
	default:
		return request{}, &refusal{
			status: http.StatusBadRequest, code: "invalid_response_format",
			message: "response_format must be json, text or verbose_json",
		}
	}
	language, err := transcript.Language(engine, fields["language"])
	if err != nil {
		return request{}, &refusal{status: http.StatusUnprocessableEntity, code: "unsupported_language", message: err.Error()}
	}
	sound, refused := readSound(file)
	return request{sound: sound, language: language, format: format}, refused
}

func readSound(file []byte) (speech.PCM, *refusal) {
	refuse := func(status int, code, message string) (speech.PCM, *refusal) {
		return speech.PCM{}, &refusal{status: status, code: code, message: message}
	}
	switch {
	case file == nil:
		return refuse(http.StatusBadRequest, "missing_file", "the form has no file in the field file")
	case len(file) > maxFile:
		return refuse(http.StatusRequestEntityTooLarge, "file_too_large", "the file is larger than 25 MiB")
	}
	sound, err := speech.DecodeWAV(file)
	switch {
	case err != nil:
		return refuse(http.StatusBadRequest, "invalid_audio", err.Error())
	case len(sound.Samples) == 0:
		return refuse(http.StatusBadRequest, "empty_audio", "the file holds no sound")
	case sound.Duration() > maxSpeech:
		return refuse(http.StatusRequestEntityTooLarge, "audio_too_long", "the file holds more than 15 minutes of sound")
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
