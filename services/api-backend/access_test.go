package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/25eloquence/compose-mage/services/internal/session"
)

func openOne(t *testing.T, handler http.Handler) opened {
	t.Helper()
	var made opened
	if err := json.Unmarshal(ask(t, handler, "POST", "/v1/sessions", "{}", http.StatusCreated, ""), &made); err != nil {
		t.Fatal(err)
	}
	return made
}

// TestWhoMayDoWhat: servers open sessions with the API's token; a learner's browser reads its own with the session's.
func TestWhoMayDoWhat(t *testing.T) {
	_, handler := newAPI(t)
	mine, others := openOne(t, handler), openOne(t, handler)
	path := "/v1/sessions/" + mine.ID
	for name, c := range map[string]struct {
		method, path, token string
		status              int
	}{
		"opening with nothing":                {"POST", "/v1/sessions", "", http.StatusUnauthorized},
		"opening with another token":          {"POST", "/v1/sessions", apiToken[:31] + "0", http.StatusUnauthorized},
		"opening with a learner's token":      {"POST", "/v1/sessions", mine.Token, http.StatusUnauthorized},
		"opening with the API's token":        {"POST", "/v1/sessions", apiToken, http.StatusCreated},
		"reading with nothing":                {"GET", path, "", http.StatusUnauthorized},
		"reading with another learner's":      {"GET", path, others.Token, http.StatusUnauthorized},
		"reading with its own":                {"GET", path, mine.Token, http.StatusOK},
		"reading with the API's token":        {"GET", path, apiToken, http.StatusOK},
		"the report with nothing":             {"GET", path + "/report", "", http.StatusUnauthorized},
		"the report with another learner's":   {"GET", path + "/report", others.Token, http.StatusUnauthorized},
		"the report with its own":             {"GET", path + "/report", mine.Token, http.StatusAccepted},
		"what there is not, with nothing":     {"GET", "/v1/sessions/" + session.New("en").ID, "", http.StatusUnauthorized},
		"what there is not, with the API's":   {"GET", "/v1/sessions/" + session.New("en").ID, apiToken, http.StatusNotFound},
		"a learner's token in the other case": {"POST", "/v1/sessions", "bearer " + apiToken, http.StatusUnauthorized},
	} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request(c.method, c.path, "", c.token))
		if recorder.Code != c.status {
			t.Errorf("%s: got %d %s, want %d", name, recorder.Code, recorder.Body, c.status)
		}
		if c.status == http.StatusUnauthorized && recorder.Header().Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: no WWW-Authenticate", name)
		}
	}
}

// TestFloodOfSessions: one client gets its rate, another is served meanwhile, and the sessions that wait have a
// bound.
func TestFloodOfSessions(t *testing.T) {
	store, handler := newAPI(t)
	answers := map[int]int{}
	for range 2000 {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request("POST", "/v1/sessions", "{}", apiToken))
		answers[recorder.Code]++
		if recorder.Code != http.StatusCreated && recorder.Header().Get("Retry-After") == "" {
			t.Fatalf("%d without Retry-After", recorder.Code)
		}
	}
	if made := answers[http.StatusCreated]; made < 30 || made > 60 || made+answers[http.StatusTooManyRequests] != 2000 {
		t.Errorf("2000 at once: %v, want 30 opened or a few more and 429 for the rest", answers)
	}
	other := request("POST", "/v1/sessions", "{}", apiToken)
	other.RemoteAddr = "192.0.2.77:1000"
	expect(t, handler, other, http.StatusCreated, "")
	for {
		if err := store.Create(t.Context(), session.New("en"), 200); errors.Is(err, session.ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	other = request("POST", "/v1/sessions", "{}", apiToken)
	other.RemoteAddr = "192.0.2.78:1000"
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, other)
	if recorder.Code != http.StatusServiceUnavailable || recorder.Header().Get("Retry-After") != "5" {
		t.Errorf("with 200 that wait: got %d %s", recorder.Code, recorder.Body)
	}
}

func TestPagesOfNamedOriginsMayRead(t *testing.T) {
	_, handler := newAPI(t)
	mine := openOne(t, handler)
	for origin, want := range map[string]string{"https://coach.example": "https://coach.example", "https://evil.example": "", "null": ""} {
		for _, method := range []string{http.MethodGet, http.MethodOptions} {
			r := request(method, "/v1/sessions/"+mine.ID, "", mine.Token)
			r.Header.Set("Origin", origin)
			if method == http.MethodOptions {
				r.Header.Set("Access-Control-Request-Method", http.MethodGet)
			}
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, r)
			if got := recorder.Header().Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s from %s: allowed is %q, want %q", method, origin, got, want)
			}
			if methods := recorder.Header().Get("Access-Control-Allow-Methods"); methods != "" && methods != http.MethodGet {
				t.Errorf("pages may %s", methods)
			}
		}
	}
}

func TestArrivals(t *testing.T) {
	store, handler := newAPI(t)
	joined, alone := openOne(t, handler), openOne(t, handler)
	var asked []string
	looking := &arrivals{store: store, rooms: func(_ context.Context, names []string) ([]string, error) {
		asked = names
		return []string{joined.Room, "room-of-somebody-else"}, nil
	}}
	for range 2 {
		if err := looking.look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(asked, []string{alone.Room}) {
		t.Errorf("the second time %q were asked for, want the one that nobody has joined", asked)
	}
	taker, err := store.Taker(t.Context(), "agent")
	if err != nil {
		t.Fatal(err)
	}
	defer taker.Close()
	if got, err := taker.Take(t.Context()); err != nil || got == nil || got.SessionID != joined.ID {
		t.Errorf("announced %+v (%v), want %s", got, err, joined.ID)
	}
}
