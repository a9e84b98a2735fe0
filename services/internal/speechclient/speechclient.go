// Package speechclient speaks the HTTP protocols of whisper-stt and azure-tts: sound to words and
// text to sound. It asks again where a service may answer later (one that restarts), not where it refused.
package speechclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/25eloquence/compose-mage/services/internal/eloquence"
	"github.com/25eloquence/compose-mage/services/internal/speech"
)

const (
	// requestTimeout bounds one try: Whisper on a small machine may take longer than the sound.
	requestTimeout = 2 * time.Minute
	retries        = 3
	firstPause     = 500 * time.Millisecond // before the first retry; then twice as long each time
	maxAnswer      = 64 << 20               // bytes: over half an hour of sound
	maxMessage     = 300                    // bytes of an error answer worth telling
)

// Service is where a speech service is and what it demands.
type Service struct {
	URL   string // scheme and host
	Token string // the API's
}

// Transcript is whisper-stt's verbose_json answer; times are seconds.
type Transcript struct {
	Text     string           `json:"text"`
	Language string           `json:"language"`
	Duration float64          `json:"duration"`
	Engine   string           `json:"engine"`
	Model    string           `json:"model"`
	Words    []eloquence.Word `json:"words"`
}

// RefusedError is an answer that trying again won't change, such as 422 for a language the
// engine doesn't know.
type RefusedError struct {
	Status  int    // HTTP
	Message string // what the service said
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("refused with %d: %s", e.Status, e.Message)
}

// Transcribe has a whisper-stt write down sound in language.
func Transcribe(ctx context.Context, service Service, sound speech.PCM, language string) (Transcript, error) {
	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	file, err := writer.CreateFormFile("file", "utterance.wav")
	if err == nil {
		_, err = file.Write(speech.EncodeWAV(sound))
	}
	for _, field := range [][2]string{{"language", language}, {"response_format", "verbose_json"}} {
		if err == nil {
			err = writer.WriteField(field[0], field[1])
		}
	}
	if err == nil {
		err = writer.Close()
	}
	var transcript Transcript
	if err == nil {
		var body []byte
		body, err = service.post(ctx, "/v1/audio/transcriptions", writer.FormDataContentType(), form.Bytes())
		if err == nil {
			err = json.Unmarshal(body, &transcript)
		}
	}
	if err != nil {
		return Transcript{}, fmt.Errorf("transcribing: %w", err)
	}
	return transcript, nil
}

// Speak has an azure-tts say text in language.
func Speak(ctx context.Context, service Service, text, language string) (speech.PCM, error) {
	request, err := json.Marshal(map[string]string{"text": text, "language": language})
	if err != nil {
		return speech.PCM{}, fmt.Errorf("synthesising: %w", err)
	}
	body, err := service.post(ctx, "/v1/speech", "application/json", request)
	if err != nil {
		return speech.PCM{}, fmt.Errorf("synthesising: %w", err)
	}
	sound, err := speech.DecodeWAV(body)
	if err != nil {
		return speech.PCM{}, fmt.Errorf("synthesising: %w", err)
	}
	return sound, nil
}

// client asks again after connection errors, 429 and 5xx. The last answer is the caller's to read.
var client = func() *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.Logger = nil // callers log outcomes
	c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = retries, firstPause, firstPause<<retries
	c.Backoff = func(least, most time.Duration, attempt int, _ *http.Response) time.Duration {
		return retryablehttp.DefaultBackoff(least, most, attempt, nil) // a conversation can't wait as long as a Retry-After
	}
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler
	c.HTTPClient.Timeout = requestTimeout
	return c
}()

// post sends body until it is answered, refused, or tried often enough.
func (s Service) post(ctx context.Context, path, contentType string, body []byte) ([]byte, error) {
	request, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Authorization", "Bearer "+s.Token)
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading answer: %w", err)
	case answer.StatusCode == http.StatusOK:
		return content, nil
	case answer.StatusCode < 500 && answer.StatusCode != http.StatusTooManyRequests:
		return nil, &RefusedError{Status: answer.StatusCode, Message: message(content)}
	default:
		return nil, fmt.Errorf("%s: %s", answer.Status, message(content))
	}
}

// message takes the text out of {"error":{"message":…}}, else the answer's start.
func message(content []byte) string {
	var failure struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	text := strings.TrimSpace(string(content))
	if json.Unmarshal(content, &failure) == nil && failure.Error.Message != "" {
		text = failure.Error.Message
	}
	return text[:min(len(text), maxMessage)]
}
