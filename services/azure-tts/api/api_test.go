package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/25eloquence/compose-mage/services/azure-tts/cache"
	"github.com/25eloquence/compose-mage/services/azure-tts/synthesis"
	"github.com/25eloquence/compose-mage/services/internal/admission"
	"github.com/25eloquence/compose-mage/services/internal/serve"
	"github.com/25eloquence/compose-mage/services/internal/speech"
)

func local(t *testing.T) synthesis.Engine {
	t.Helper()
	for _, program := range []string{"flite", "espeak-ng"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	engine, err := synthesis.NewLocal(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// azure is the real engine against a double of Azure that gives one status; 200 comes with sound.
func azure(t *testing.T, status int, headers ...string) (engine synthesis.Engine, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		if status == http.StatusOK {
			_, _ = w.Write(speech.EncodeWAV(speech.PCM{Samples: make([]int16, 1600), Rate: speech.Rate}))
		}
	}))
	t.Cleanup(server.Close)
	return synthesis.NewAzure(server.URL+"/cognitiveservices/v1", "sesame"), asked
}

func kept(t *testing.T) *cache.Cache {
	t.Helper()
	c, err := cache.Open(t.TempDir(), 100<<20)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func post(t *testing.T, speaker *Speaker, body string) *httptest.ResponseRecorder {
	t.Helper()
	answer := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodPost, "/v1/speech", strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer "+apiToken)
	request.Header.Set("Content-Type", "application/json")
	guarded(t, speaker, admission.NewBudget(1<<30)).ServeHTTP(answer, request)
	return answer
}

const apiToken = "0123456789abcdef0123456789abcdef"

func guarded(t *testing.T, speaker *Speaker, budget *admission.Budget) http.Handler {
	t.Helper()
	token, err := serve.NewToken(apiToken)
	if err != nil {
		t.Fatal(err)
	}
	return speaker.Handler(token, budget)
}

func code(t *testing.T, answer *httptest.ResponseRecorder) string {
	t.Helper()
	var failure serve.Failure
	if err := json.Unmarshal(answer.Body.Bytes(), &failure); err != nil || failure.Error.Message == "" {
		t.Errorf("no error body: %q", answer.Body)
	}
	return failure.Error.Code
}

func TestLocalSpeechIsKept(t *testing.T) {
	speaker := New(local(t), nil, kept(t), 1)
	for body, voice := range map[string]string{
		`{"text":"Good morning.","language":"en"}`:               "flite:slt",
		`{"text":"Bonjour à tous.","language":"fr-FR"}`:          "espeak-ng:fr-fr",
		`{"text":"Good morning.","language":"en","voice":"rms"}`: "flite:rms",
	} {
		first := post(t, speaker, body)
		if first.Code != http.StatusOK || first.Header().Get("X-Cache") != "miss" || first.Header().Get("X-Voice") != voice {
			t.Fatalf("%s: got %d %v %q", body, first.Code, first.Header(), first.Body)
		}
		again := post(t, speaker, strings.Replace(body, ". ", ".  ", 1))
		if again.Header().Get("X-Cache") != "hit" || again.Header().Get("X-Voice") != voice || again.Body.String() != first.Body.String() {
			t.Errorf("%s: the second answer is %v", body, again.Header())
		}
		sound, err := speech.DecodeWAV(first.Body.Bytes())
		if err != nil || sound.Rate != speech.Rate || first.Header().Get("Content-Type") != "audio/wav" {
			t.Errorf("%s: got %d Hz, %v, %v", body, sound.Rate, err, first.Header())
		}
	}
}

func TestRefusals(t *testing.T) {
	speaker := New(local(t), nil, nil, 1)
	for _, c := range []struct {
		body   string
		status int
		code   string
	}{
		{`{"text":"Guten Tag","language":"de"}`, 422, "unsupported_language"},
		{`{"text":"hi","language":"en","voice":"hal"}`, 422, "unsupported_voice"},
		{`{"text":" ","language":"en"}`, 422, "invalid_text"},
		{`{"text":"` + strings.Repeat("a ", 5001) + `","language":"en"}`, 422, "invalid_text"},
		{`{"text":`, 400, "invalid_json"},
		{`{"text":1}`, 400, "invalid_json"},
		{`{"text":"` + strings.Repeat("a", maxBody) + `"}`, 413, "body_too_large"},
	} {
		answer := post(t, speaker, c.body)
		if got := code(t, answer); answer.Code != c.status || got != c.code {
			t.Errorf("%.60s: got %d %s, want %d %s", c.body, answer.Code, got, c.status, c.code)
		}
	}
}

func TestAzureFailuresAreNamed(t *testing.T) {
	for _, c := range []struct {
		azure, status int
		headers       []string
		code, retry   string
	}{
		{azure: 401, status: 502, code: "azure_failed"},
		{azure: 400, status: 502, code: "azure_failed"},
		{azure: 429, headers: []string{"Retry-After", "3600"}, status: 503, code: "azure_unavailable", retry: "3600"},
	} {
		engine, _ := azure(t, c.azure, c.headers...)
		answer := post(t, New(engine, nil, kept(t), 1), `{"text":"hi","language":"en"}`)
		if got := code(t, answer); answer.Code != c.status || got != c.code || answer.Header().Get("Retry-After") != c.retry {
			t.Errorf("%d: got %d %s, Retry-After %q", c.azure, answer.Code, got, answer.Header().Get("Retry-After"))
		}
		if strings.Contains(answer.Body.String(), "sesame") {
			t.Error("the answer tells the key")
		}
	}
}

func TestFallbackSpeaksOnlyWhenAzureFails(t *testing.T) {
	broken, asked := azure(t, 401)
	speaker := New(broken, local(t), kept(t), 1)
	for n, want := range []string{"miss", "hit"} {
		answer := post(t, speaker, `{"text":"hi","language":"en","voice":"en-US-GuyNeural"}`)
		if answer.Code != http.StatusOK || answer.Header().Get("X-Voice") != "flite:slt" || answer.Header().Get("X-Cache") != want {
			t.Errorf("got %d %v", answer.Code, answer.Header())
		}
		// What the fallback said must not stand in for Azure once it works again.
		if asked.Load() != int32(n+1) {
			t.Errorf("azure was asked %d times in %d requests", asked.Load(), n+1)
		}
	}
	if answer := post(t, speaker, `{"text":"hi","language":"en","voice":"hal"}`); answer.Code != 422 {
		t.Errorf("an unknown voice: got %d", answer.Code)
	}
	working, _ := azure(t, 200)
	answer := post(t, New(working, local(t), nil, 1), `{"text":"hi","language":"fr"}`)
	if answer.Code != http.StatusOK || answer.Header().Get("X-Voice") != "azure:fr-FR-DeniseNeural" {
		t.Errorf("got %d %v", answer.Code, answer.Header())
	}
}

func TestOtherRoutes(t *testing.T) {
	engine, _ := azure(t, 200)
	server := httptest.NewServer(guarded(t, New(engine, nil, nil, 1), admission.NewBudget(1<<30)))
	defer server.Close()
	answer, err := http.Get(server.URL + "/v1/speech")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: got %d %q", answer.StatusCode, body)
	}
}

// TestWhoMaySpeak: without the token nothing is spoken, without room nothing is read, and a page's form is no JSON.
func TestWhoMaySpeak(t *testing.T) {
	engine, asked := azure(t, 200)
	speaker := New(engine, nil, nil, 1)
	ask := func(handler http.Handler, token, media string) *httptest.ResponseRecorder {
		request := httptest.NewRequest(http.MethodPost, "/v1/speech", strings.NewReader(`{"text":"hi","language":"en"}`))
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", media)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		return answer
	}
	taken := admission.NewBudget(1 << 20)
	for client := range 2 {
		taken.Take(netip.AddrFrom4([4]byte{byte(client)}), 1<<20)
	}
	roomy, full := guarded(t, speaker, admission.NewBudget(1<<30)), guarded(t, speaker, taken)
	for name, c := range map[string]struct {
		answer *httptest.ResponseRecorder
		status int
	}{
		"no token":      {ask(roomy, "", "application/json"), http.StatusUnauthorized},
		"another token": {ask(roomy, apiToken+"0", "application/json"), http.StatusUnauthorized},
		"plain text":    {ask(roomy, apiToken, "text/plain"), http.StatusUnsupportedMediaType},
		"no room":       {ask(full, apiToken, "application/json"), http.StatusServiceUnavailable},
	} {
		if c.answer.Code != c.status {
			t.Errorf("%s: got %d, want %d", name, c.answer.Code, c.status)
		}
		if later := c.answer.Header().Get("Retry-After"); c.status == http.StatusServiceUnavailable && later == "" {
			t.Errorf("%s: no Retry-After", name)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("azure was asked %d times", asked.Load())
	}
	if answer := ask(roomy, apiToken, "application/json; charset=utf-8"); answer.Code != http.StatusOK {
		t.Errorf("with all in order: got %d %s", answer.Code, answer.Body)
	}
}
