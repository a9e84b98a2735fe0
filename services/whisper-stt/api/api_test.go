package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/admission"
	"github.com/25eloquence/compose-mage/services/internal/serve"
	"github.com/25eloquence/compose-mage/services/internal/speech"
	"github.com/25eloquence/compose-mage/services/whisper-stt/transcript"
)

// scripted stands for a recogniser; the real ones are tested in their packages and in main's.
type scripted struct {
	languages []string
	fails     error
	heard     speech.PCM
	asked     string
}

func (*scripted) Name() string          { return "scripted" }
func (*scripted) Model() string         { return "none" }
func (s *scripted) Languages() []string { return s.languages }
func (s *scripted) Transcribe(_ context.Context, sound speech.PCM, language string) (transcript.Transcript, error) {
	s.heard, s.asked = sound, language
	return transcript.Transcript{Text: "hello um you", Language: "en", Words: []transcript.Word{{Word: "hello", Start: 0.1, End: 0.29}}}, s.fails
}

func wav(rate int, length time.Duration) []byte {
	return speech.EncodeWAV(speech.PCM{Samples: make([]int16, int(length.Seconds()*float64(rate))), Rate: rate})
}

func post(t *testing.T, engine *scripted, file []byte, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := 0; i < len(fields); i += 2 {
		if err := form.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if file != nil {
		part, err := form.CreateFormFile("file", "speech.wav")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodPost, "/v1/audio/transcriptions", &body)
	request.Header.Set("Content-Type", form.FormDataContentType())
	return ask(t, request, engine, nil)
}

const apiToken = "0123456789abcdef0123456789abcdef"

// ask asks with the API's token.
func ask(t *testing.T, request *http.Request, engine transcript.Engine, notReady error) *httptest.ResponseRecorder {
	t.Helper()
	token, err := serve.NewToken(apiToken)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+apiToken)
	answer := httptest.NewRecorder()
	handler := Handler(func() (transcript.Engine, error) { return engine, notReady }, token, admission.NewBudget(1<<30))
	handler.ServeHTTP(answer, request)
	return answer
}

func TestFormats(t *testing.T) {
	for format, want := range map[string]string{
		"":     `{"text":"hello um you","engine":"scripted","model":"none"}`,
		"json": `{"text":"hello um you","engine":"scripted","model":"none"}`,
		"text": "hello um you",
		"verbose_json": `{"task":"transcribe","text":"hello um you","language":"en","duration":1.5,"engine":"scripted","model":"none",` +
			`"words":[{"word":"hello","start":0.1,"end":0.29}]}`,
	} {
		engine := &scripted{languages: []string{"en"}}
		answer := post(t, engine, wav(44100, 1500*time.Millisecond), "model", "whisper-1", "language", "en-US", "response_format", format)
		if answer.Code != http.StatusOK || strings.TrimSpace(answer.Body.String()) != want {
			t.Errorf("%q: got %d %s", format, answer.Code, answer.Body)
		}
		if answer.Header().Get("X-Engine") != "scripted" || answer.Header().Get("X-Model") != "none" {
			t.Errorf("%q: got headers %v", format, answer.Header())
		}
		if engine.heard.Rate != speech.Rate || len(engine.heard.Samples) != 24000 || engine.asked != "en" {
			t.Errorf("the recogniser got %d samples at %d Hz in %q", len(engine.heard.Samples), engine.heard.Rate, engine.asked)
		}
	}
}

func TestRefusals(t *testing.T) {
	good := wav(16000, 100*time.Millisecond)
	for _, c := range []struct {
		name   string
		file   []byte
		fields []string
		fails  error
		status int
		code   string
	}{
		{name: "no file", status: 400, code: "missing_file"},
		{name: "mp3", file: []byte("ID3"), status: 400, code: "invalid_audio"},
		{name: "no sound", file: wav(16000, 0), status: 400, code: "empty_audio"},
		{name: "too large", file: make([]byte, maxFile+1), status: 413, code: "file_too_large"},
		{name: "far too large", file: make([]byte, maxFile+100_000), status: 413, code: "body_too_large"},
		{name: "a large field", file: good, fields: []string{"model", strings.Repeat("x", maxFields+1)}, status: 413, code: "field_too_large"},
		{name: "two files", file: good, fields: []string{"file", "another"}, status: 400, code: "invalid_form"},
		{name: "too long", file: wav(8000, maxSpeech+time.Second), status: 413, code: "audio_too_long"},
		{name: "srt", file: good, fields: []string{"response_format", "srt"}, status: 400, code: "invalid_response_format"},
		{name: "French", file: good, fields: []string{"language", "fr-FR"}, status: 422, code: "unsupported_language"},
		{name: "busy", file: good, fails: speech.ErrBusy, status: 503, code: "busy"},
		{name: "slow", file: good, fails: fmt.Errorf("x: %w", context.DeadlineExceeded), status: 504, code: "timeout"},
		{name: "crash", file: good, fails: errors.New("signal: aborted"), status: 502, code: "listening_failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := post(t, &scripted{languages: []string{"en"}, fails: c.fails}, c.file, c.fields...)
			var failure serve.Failure
			if err := json.Unmarshal(answer.Body.Bytes(), &failure); err != nil || failure.Error.Message == "" {
				t.Errorf("no error body: %q", answer.Body)
			}
			if answer.Code != c.status || failure.Error.Code != c.code {
				t.Errorf("got %d %s: %s", answer.Code, failure.Error.Code, failure.Error.Message)
			}
		})
	}
}

func TestNoForm(t *testing.T) {
	for media, want := range map[string]struct {
		status int
		code   string
	}{
		"application/json":                  {http.StatusUnsupportedMediaType, "unsupported_type"},
		"multipart/form-data":               {http.StatusBadRequest, "invalid_form"},
		"multipart/form-data; boundary=abc": {http.StatusBadRequest, "invalid_form"},
	} {
		request := httptest.NewRequest(http.MethodPost, "/v1/audio/transcriptions", strings.NewReader("{}"))
		request.Header.Set("Content-Type", media)
		answer := ask(t, request, &scripted{}, nil)
		if answer.Code != want.status || !strings.Contains(answer.Body.String(), want.code) {
			t.Errorf("%s: got %d %s", media, answer.Code, answer.Body)
		}
	}
}

func TestNotReady(t *testing.T) {
	request := httptest.NewRequest(http.MethodPost, "/v1/audio/transcriptions", nil)
	request.Header.Set("Content-Type", "multipart/form-data; boundary=abc")
	answer := ask(t, request, nil, errors.New(`loading "ggml-x.bin"`))
	if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" || !strings.Contains(answer.Body.String(), "ggml-x.bin") {
		t.Errorf("got %d %s", answer.Code, answer.Body)
	}
}

func TestLanguage(t *testing.T) {
	several := &scripted{languages: []string{"en", "fr", "yue"}}
	for asked, want := range map[string]string{"": "", "auto": "", "en": "en", "en-US": "en", "FR_fr": "fr", "yue": "yue"} {
		if got, err := transcript.Language(several, asked); got != want || err != nil {
			t.Errorf("%q: got %q, %v", asked, got, err)
		}
	}
	for _, asked := range []string{"english", "xx", "-"} {
		if _, err := transcript.Language(several, asked); err == nil {
			t.Errorf("%q was taken", asked)
		}
	}
	_, err := transcript.Language(&scripted{languages: []string{"en"}}, "fr")
	if err == nil || !strings.Contains(err.Error(), `understands "en" only`) {
		t.Errorf("got %v", err)
	}
}
