package synthesis

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

const (
	// outputFormat is the X-Microsoft-OutputFormat that needs no conversion.
	outputFormat = "riff-16khz-16bit-mono-pcm"
	// maxAnswer bounds an answer of Azure's, in bytes: ten minutes, its own limit, are 19.2 MB.
	maxAnswer = 20 << 20
)

// Azure speaks through Azure Speech's text-to-speech REST API, version 1.
// https://learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech
type Azure struct {
	address string
	key     string
	client  *retryablehttp.Client
	// Total bounds one Speak, retries included.
	Total time.Duration
}

// AzureError is an answer of Azure's that is no speech, after retries.
type AzureError struct {
	Status     int           // HTTP status
	Reason     string        // start of the body
	RetryAfter time.Duration // what Azure asked for, 0 if nothing
}

func (e *AzureError) Error() string {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Sprintf("azure speech rejected the key (status %d): check the key and its region", e.Status)
	case http.StatusTooManyRequests:
		return "azure speech is over its quota or rate (status 429)"
	}
	return fmt.Sprintf("azure speech answered with status %d: %q", e.Status, e.Reason)
}

var regionName = regexp.MustCompile(`^[a-z0-9]+$`)

// AzureAddress is the address to post SSML to, from the settings: the endpoint where it is given
// (with or without path; the addresses that Azure's portal shows are understood), else the
// region's public one.
func AzureAddress(region, endpoint string) (string, error) {
	if endpoint == "" {
		if !regionName.MatchString(region) {
			return "", fmt.Errorf("reading azure settings: AZURE_SPEECH_REGION %q is no region such as westeurope, and AZURE_SPEECH_ENDPOINT is empty", region)
		}
		return "https://" + region + ".tts.speech.microsoft.com/cognitiveservices/v1", nil
	}
	address, err := url.Parse(endpoint)
	if err != nil || (address.Scheme != "https" && address.Scheme != "http") || address.Host == "" {
		return "", fmt.Errorf("reading azure settings: AZURE_SPEECH_ENDPOINT %q is no http(s) address", endpoint)
	}
	if strings.Trim(address.Path, "/") != "" {
		return address.String(), nil
	}
	if region, portal := strings.CutSuffix(address.Host, ".api.cognitive.microsoft.com"); portal {
		return AzureAddress(region, "")
	}
	address.Path = "/cognitiveservices/v1"
	if strings.HasSuffix(address.Host, ".cognitiveservices.azure.com") {
		address.Path = "/tts/cognitiveservices/v1" // custom domains, as private links need them
	}
	return address.String(), nil
}

// NewAzure returns the engine for an address of AzureAddress and a resource key.
func NewAzure(address, key string) *Azure {
	client := retryablehttp.NewClient()
	client.Logger = nil // the service logs outcomes; the library would log each attempt as text
	client.RetryMax = 3
	client.RetryWaitMin, client.RetryWaitMax = 500*time.Millisecond, 8*time.Second
	client.ErrorHandler = retryablehttp.PassthroughErrorHandler
	client.CheckRetry = retryWithinTime
	client.HTTPClient.Timeout = 30 * time.Second // one attempt
	// The key is a header: a redirect must not carry it elsewhere.
	client.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Azure{address: address, key: key, client: client, Total: 60 * time.Second}
}

// retryWithinTime is the library's policy (connection errors, 429 and 5xx), except that a
// Retry-After beyond the request's deadline ends the attempts at once instead of at the deadline.
func retryWithinTime(ctx context.Context, answer *http.Response, err error) (bool, error) {
	again, failure := retryablehttp.DefaultRetryPolicy(ctx, answer, err)
	if deadline, ok := ctx.Deadline(); again && answer != nil && ok && time.Now().Add(retryAfter(answer)).After(deadline) {
		return false, nil
	}
	return again, failure
}

func retryAfter(answer *http.Response) time.Duration {
	text := answer.Header.Get("Retry-After")
	if wait, err := time.ParseDuration(text + "s"); err == nil && wait > 0 {
		return wait
	}
	if when, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(when))
	}
	return 0
}

var azureLocales = map[string]string{"en": "en-US", "fr": "fr-FR"}

var azureVoices = map[string]string{"en": "azure:en-US-JennyNeural", "fr": "azure:fr-FR-DeniseNeural"}

// Letters, digits and hyphens, as in en-US-AvaMultilingualNeural.
var azureVoiceName = regexp.MustCompile(`^[a-z]{2,3}-[A-Z]{2}-[A-Za-z0-9]+$`)

// Voice implements Engine. Any well-formed name of the language's own voices is taken; whether
// Azure has it, Azure knows.
func (*Azure) Voice(request Request) (string, error) {
	if request.Voice == "" {
		return azureVoices[request.Language], nil
	}
	name := strings.TrimPrefix(request.Voice, "azure:")
	if !azureVoiceName.MatchString(name) || !strings.HasPrefix(name, request.Language+"-") {
		return "", &UnsupportedError{"unsupported_voice", fmt.Sprintf("voice %q is no Azure voice for %q, such as %s",
			request.Voice, request.Language, strings.TrimPrefix(azureVoices[request.Language], "azure:"))}
	}
	return "azure:" + name, nil
}

// Identity implements Engine.
func (a *Azure) Identity() string { return a.address + " " + outputFormat }

// Voices implements Engine.
func (*Azure) Voices() map[string]string { return azureVoices }

// ssml is the document Azure reads; every character of text stays text.
func ssml(text, voice string) []byte {
	locale := azureLocales[voice[:2]]
	var document bytes.Buffer
	document.WriteString(`<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="` + locale +
		`"><voice name="` + voice + `">`)
	_ = xml.EscapeText(&document, []byte(text)) // a bytes.Buffer never fails
	document.WriteString(`</voice></speak>`)
	return document.Bytes()
}

// Speak implements Engine. Refusals and failures of Azure's are an *AzureError.
func (a *Azure) Speak(ctx context.Context, text, voice string) (speech.PCM, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Total)
	defer cancel()
	name := strings.TrimPrefix(voice, "azure:")
	request, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, a.address, ssml(text, name))
	if err != nil {
		return speech.PCM{}, fmt.Errorf("asking azure speech: %w", err)
	}
	request.Header.Set("Ocp-Apim-Subscription-Key", a.key)
	request.Header.Set("Content-Type", "application/ssml+xml")
	request.Header.Set("X-Microsoft-OutputFormat", outputFormat)
	request.Header.Set("User-Agent", "25eloquence-azure-tts")
	answer, err := a.client.Do(request)
	if err != nil {
		return speech.PCM{}, fmt.Errorf("asking azure speech: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return speech.PCM{}, fmt.Errorf("reading azure's speech: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return speech.PCM{}, &AzureError{Status: answer.StatusCode, Reason: string(body[:min(len(body), 200)]), RetryAfter: retryAfter(answer)}
	}
	if len(body) > maxAnswer {
		return speech.PCM{}, fmt.Errorf("reading azure's speech: more than %d bytes", maxAnswer)
	}
	sound, err := speech.DecodeWAV(body)
	if err != nil {
		return speech.PCM{}, fmt.Errorf("reading azure's speech: %w", err)
	}
	if len(sound.Samples) == 0 {
		return speech.PCM{}, errors.New("reading azure's speech: it is empty")
	}
	return speech.Resample(sound, speech.Rate), nil
}
