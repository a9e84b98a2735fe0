package serve

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestUnderWhichNames: a page whose name was bound to 127.0.0.1 asks under its own name; an address can't be bound.
func TestUnderWhichNames(t *testing.T) {
	t.Setenv("ALLOWED_HOSTS", "coach.example, Other.Example")
	handler := routes("whisper-stt", &Service{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { JSON(w, http.StatusOK, "in") })})
	for host, want := range map[string]int{
		"127.0.0.1:8001":         http.StatusOK,
		"[::1]:8001":             http.StatusOK,
		"[::1]":                  http.StatusOK,
		"localhost:8001":         http.StatusOK,
		"LOCALHOST":              http.StatusOK,
		"whisper-stt:8001":       http.StatusOK,
		"172.18.0.3":             http.StatusOK,
		"coach.example":          http.StatusOK,
		"other.example:443":      http.StatusOK,
		"evil.example:8001":      http.StatusMisdirectedRequest,
		"127.0.0.1.evil.example": http.StatusMisdirectedRequest,
		"localhost.evil.example": http.StatusMisdirectedRequest,
		"evil.localhost.":        http.StatusMisdirectedRequest,
		"azure-tts:8001":         http.StatusMisdirectedRequest,
		"":                       http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/health", "/v1/speech"} {
			request := httptest.NewRequest(http.MethodGet, path, nil)
			request.Host = host
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			if answer.Code != want {
				t.Errorf("%s of %q: got %d, want %d", path, host, answer.Code, want)
			}
		}
	}
}

func TestPagesOfOtherOriginsMayNotWrite(t *testing.T) {
	handler := routes("test", &Service{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { JSON(w, http.StatusOK, "in") })})
	for name, c := range map[string]struct {
		method, origin, site string
		want                 int
	}{
		"no browser":           {http.MethodPost, "", "", http.StatusOK},
		"another origin":       {http.MethodPost, "https://evil.example", "", http.StatusForbidden},
		"a sandboxed page":     {http.MethodPost, "null", "", http.StatusForbidden},
		"another port":         {http.MethodPost, "http://127.0.0.1:9999", "", http.StatusForbidden},
		"a form":               {http.MethodPost, "", "cross-site", http.StatusForbidden},
		"the same site":        {http.MethodPut, "", "same-site", http.StatusForbidden},
		"deleting":             {http.MethodDelete, "https://evil.example", "cross-site", http.StatusForbidden},
		"reading is CORS's":    {http.MethodGet, "https://evil.example", "cross-site", http.StatusOK},
		"a page of its own":    {http.MethodPost, "http://127.0.0.1:8001", "same-origin", http.StatusOK},
		"typed by the learner": {http.MethodPost, "", "none", http.StatusOK},
	} {
		request := httptest.NewRequest(c.method, "/v1/x", strings.NewReader("{}"))
		request.Host = "127.0.0.1:8001"
		for header, value := range map[string]string{"Origin": c.origin, "Sec-Fetch-Site": c.site} {
			if value != "" {
				request.Header.Set(header, value)
			}
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if answer.Code != c.want {
			t.Errorf("%s: got %d, want %d", name, answer.Code, c.want)
		}
	}
}

func TestToken(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	token, err := NewToken(secret)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewToken("hush"); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("a short token: got %v, want an error that doesn't quote it", err)
	}
	handler := token.Demand(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { JSON(w, http.StatusOK, "in") }))
	for header, want := range map[string]int{
		"Bearer " + secret:        http.StatusOK,
		"bearer " + secret:        http.StatusOK,
		"":                        http.StatusUnauthorized,
		"Bearer":                  http.StatusUnauthorized,
		"Bearer ":                 http.StatusUnauthorized,
		secret:                    http.StatusUnauthorized,
		"Basic " + secret:         http.StatusUnauthorized,
		"Bearer " + secret[:31]:   http.StatusUnauthorized,
		"Bearer " + secret + "0":  http.StatusUnauthorized,
		"Bearer x, Bearer " + "x": http.StatusUnauthorized,
	} {
		request := httptest.NewRequest(http.MethodPost, "/", nil)
		if header != "" {
			request.Header.Set("Authorization", header)
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if answer.Code != want {
			t.Errorf("%q: got %d, want %d", header, answer.Code, want)
		}
	}
}
