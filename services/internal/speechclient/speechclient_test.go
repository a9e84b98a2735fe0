package speechclient

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

// TestAsksAgainUntilAnswered: a service that restarts or is busy is asked again with the whole request, one that
// refuses is not.
func TestAsksAgainUntilAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		statuses []int
		asked    int
		says     string // the error; "" for none
	}{
		"answered at once":    {[]int{200}, 1, ""},
		"busy, then answered": {[]int{503, 429, 200}, 3, ""},
		"refused":             {[]int{422, 200}, 1, "refused with 422: no such language"},
		"gone for good":       {[]int{500, 502, 503, 500, 200}, 4, "500 Internal Server Error: no such language"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if !strings.Contains(string(body), "verbose_json") || r.Header.Get("Authorization") != "Bearer secret" {
					t.Errorf("request %d lacks its body or token", asked)
				}
				w.Header().Set("Retry-After", "3600") // nobody waits as long
				status := c.statuses[asked]
				asked++
				w.WriteHeader(status)
				if status != http.StatusOK {
					_, _ = io.WriteString(w, `{"error":{"message":"no such language"}}`)
					return
				}
				_, _ = io.WriteString(w, `{"text":"good morning"}`)
			}))
			defer server.Close()
			sound := speech.PCM{Rate: 16000, Samples: make([]int16, 160)}
			got, err := Transcribe(t.Context(), Service{URL: server.URL, Token: "secret"}, sound, "en")
			if asked != c.asked {
				t.Errorf("asked %d times, want %d", asked, c.asked)
			}
			answered := err == nil && got.Text == "good morning"
			refused := err != nil && strings.HasSuffix(err.Error(), c.says)
			if c.says == "" && !answered || c.says != "" && !refused {
				t.Errorf("got %+v, %v", got, err)
			}
			if refused := (*RefusedError)(nil); errors.As(err, &refused) != (name == "refused") {
				t.Errorf("the kind of error is %T", err)
			}
		})
	}
}
