package synthesis

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

// double answers as Azure's documented REST API does; answers are consumed in order, the last
// stays. It checks each request against the protocol.
func double(t *testing.T, answers ...http.HandlerFunc) (engine *Azure, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.HasPrefix(string(body), "<speak ") || !strings.Contains(string(body), ">Hello &amp; welcome<") {
			t.Errorf("body %q, %v", body, err)
		}
		for header, want := range map[string]string{
			"Ocp-Apim-Subscription-Key": "sesame", "Content-Type": "application/ssml+xml",
			"X-Microsoft-OutputFormat": "riff-16khz-16bit-mono-pcm", "User-Agent": "25eloquence-azure-tts",
		} {
			if got := r.Header.Get(header); got != want {
				t.Errorf("%s: got %q, want %q", header, got, want)
			}
		}
		if r.Method != http.MethodPost || r.URL.Path != "/cognitiveservices/v1" {
			t.Errorf("got %s %s", r.Method, r.URL.Path)
		}
		n := int(asked.Add(1))
		answers[min(n, len(answers))-1](w, r)
	}))
	t.Cleanup(server.Close)
	address, err := AzureAddress("", server.URL)
	if err != nil {
		t.Fatal(err)
	}
	engine = NewAzure(address, "sesame")
	engine.client.RetryWaitMin, engine.client.RetryWaitMax = time.Millisecond, 5*time.Millisecond
	return engine, asked
}

func status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "no")
	}
}

func spoken(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write(speech.EncodeWAV(speech.PCM{Samples: make([]int16, 1600), Rate: speech.Rate}))
}

func TestAzureSpeaks(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []http.HandlerFunc
		asked   int32
		status  int    // of the AzureError wanted
		fails   string // in another error
	}{
		{name: "at once", answers: []http.HandlerFunc{spoken}, asked: 1},
		{name: "after 429 and 503", answers: []http.HandlerFunc{status(429), status(503), spoken}, asked: 3},
		{name: "never, after retries", answers: []http.HandlerFunc{status(500)}, asked: 4, status: 500},
		{name: "wrong key is not tried again", answers: []http.HandlerFunc{status(401), spoken}, asked: 1, status: 401},
		{name: "bad request is not tried again", answers: []http.HandlerFunc{status(400), spoken}, asked: 1, status: 400},
		{name: "redirect is not followed", answers: []http.HandlerFunc{status(302, "Location", "/elsewhere")}, asked: 1, status: 302},
		{name: "no wav", answers: []http.HandlerFunc{status(200)}, asked: 1, fails: "not a RIFF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			engine, asked := double(t, c.answers...)
			sound, err := engine.Speak(context.Background(), "Hello & welcome", "azure:en-US-JennyNeural")
			if asked.Load() != c.asked {
				t.Errorf("asked %d times, want %d", asked.Load(), c.asked)
			}
			var failure *AzureError
			switch {
			case c.status != 0:
				if !errors.As(err, &failure) || failure.Status != c.status {
					t.Errorf("got %v, want status %d", err, c.status)
				}
			case c.fails != "":
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("got %v, want %q", err, c.fails)
				}
			case err != nil || len(sound.Samples) != 1600:
				t.Errorf("got %d samples, %v", len(sound.Samples), err)
			}
			if err != nil && strings.Contains(err.Error(), "sesame") {
				t.Error("the error tells the key")
			}
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	engine, asked := double(t, status(429, "Retry-After", "1"), spoken)
	began := time.Now()
	if _, err := engine.Speak(context.Background(), "Hello & welcome", "azure:en-US-JennyNeural"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < time.Second || asked.Load() != 2 {
		t.Errorf("asked %d times within %s", asked.Load(), took)
	}

	engine, asked = double(t, status(429, "Retry-After", "3600"), spoken)
	began = time.Now()
	_, err := engine.Speak(context.Background(), "Hello & welcome", "azure:en-US-JennyNeural")
	var failure *AzureError
	if !errors.As(err, &failure) || failure.RetryAfter != time.Hour {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > time.Second || asked.Load() != 1 {
		t.Errorf("asked %d times within %s though an hour was asked for", asked.Load(), took)
	}
}

func TestSlowAzureTimesOut(t *testing.T) {
	engine, _ := double(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	engine.Total = 100 * time.Millisecond
	if _, err := engine.Speak(context.Background(), "Hello & welcome", "azure:en-US-JennyNeural"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAzureAddress(t *testing.T) {
	for _, c := range []struct{ region, endpoint, want string }{
		{"westeurope", "", "https://westeurope.tts.speech.microsoft.com/cognitiveservices/v1"},
		{"", "https://francecentral.api.cognitive.microsoft.com/", "https://francecentral.tts.speech.microsoft.com/cognitiveservices/v1"},
		{"", "https://coach.cognitiveservices.azure.com", "https://coach.cognitiveservices.azure.com/tts/cognitiveservices/v1"},
		{"westeurope", "http://127.0.0.1:9", "http://127.0.0.1:9/cognitiveservices/v1"},
		{"", "https://proxy.example/speech/v1", "https://proxy.example/speech/v1"},
		{"", "", ""},
		{"west europe", "", ""},
		{"evil.example/x?", "", ""},
		{"", "ftp://x", ""},
		{"", "westeurope", ""},
	} {
		got, err := AzureAddress(c.region, c.endpoint)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q %q: got %q, %v", c.region, c.endpoint, got, err)
		}
	}
}
