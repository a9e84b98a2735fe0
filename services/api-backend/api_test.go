package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/livekit/protocol/auth"

	"github.com/25eloquence/compose-mage/services/internal/redistest"
	"github.com/25eloquence/compose-mage/services/internal/serve"
	"github.com/25eloquence/compose-mage/services/internal/session"
	"github.com/25eloquence/compose-mage/services/internal/token"
)

func newAPI(t *testing.T) (*session.Store, http.Handler) {
	t.Helper()
	keys, err := token.ParseKeys("APItest: 0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	store := session.Open(redistest.Start(t), "")
	t.Cleanup(func() { _ = store.Close() })
	made := &api{store: store, keys: keys, publicURL: "ws://127.0.0.1:7880", origins: []string{"https://coach.example"}}
	if made.token, err = serve.NewToken(apiToken); err != nil {
		t.Fatal(err)
	}
	if err := made.limit(); err != nil {
		t.Fatal(err)
	}
	return store, made.routes()
}

const apiToken = "0123456789abcdef0123456789abcdef"

func request(method, path, body, token string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// ask asks with the API's token. It expects an answer of that status with want in its body, and JSON always.
func ask(t *testing.T, handler http.Handler, method, path, body string, status int, want string) []byte {
	t.Helper()
	return expect(t, handler, request(method, path, body, apiToken), status, want)
}

func expect(t *testing.T, handler http.Handler, r *http.Request, status int, want string) []byte {
	t.Helper()
	recorder := httptest.NewRecorder()
	method, path, body := r.Method, r.URL.Path, ""
	handler.ServeHTTP(recorder, r)
	answer := recorder.Body.Bytes()
	if recorder.Code != status || !strings.Contains(string(answer), want) {
		t.Errorf("%s %s %s: got %d %s, want %d with %q", method, path, body, recorder.Code, answer, status, want)
	}
	if !json.Valid(answer) {
		t.Errorf("%s %s: not JSON: %s", method, path, answer)
	}
	return answer
}

func TestOpenRefusesBadRequests(t *testing.T) {
	_, handler := newAPI(t)
	for body, want := range map[string]string{
		`{"language":"xx"}`:   `one of en, fr`,
		`{"language":7}`:      `reading body`,
		`{"lang":"en"}`:       `unknown field`,
		`{"language":"en"`:    `reading body`,
		`{"language":"en"}{}`: `more than one`,
	} {
		ask(t, handler, "POST", "/v1/sessions", body, http.StatusBadRequest, want)
	}
	ask(t, handler, "POST", "/v1/sessions", strings.Repeat(" ", maxBody+1), http.StatusRequestEntityTooLarge, "body_too_large")
	chunked := request("POST", "/v1/sessions", strings.Repeat(" ", maxBody+1), apiToken)
	chunked.ContentLength = -1
	expect(t, handler, chunked, http.StatusRequestEntityTooLarge, "body_too_large")
	text := request("POST", "/v1/sessions", "{}", apiToken)
	text.Header.Set("Content-Type", "text/plain")
	expect(t, handler, text, http.StatusUnsupportedMediaType, "want Content-Type: application/json")
	ask(t, handler, "GET", "/v1/nothing", "", http.StatusNotFound, "no_such_path")
}

func TestSessionFromOpeningToReport(t *testing.T) {
	store, handler := newAPI(t)
	var opened opened
	if err := json.Unmarshal(ask(t, handler, "POST", "/v1/sessions", `{"language":"fr"}`, http.StatusCreated, ""), &opened); err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.ParseAPIToken(opened.Token)
	if err != nil || verifier.Identity() != opened.Identity || opened.URL != "ws://127.0.0.1:7880" {
		t.Errorf("got %+v, token error %v", opened, err)
	}
	path := "/v1/sessions/" + opened.ID
	if answer := ask(t, handler, "GET", path, "", http.StatusOK, `"state":"waiting"`); strings.Contains(string(answer), opened.Token) {
		t.Error("the session shows the learner's token")
	}
	ask(t, handler, "GET", path+"/report", "", http.StatusAccepted, `"state":"waiting"`)
	if err := store.Announce(t.Context(), opened.ID); err != nil {
		t.Fatal(err)
	}
	taker, err := store.Taker(t.Context(), "agent")
	if err != nil {
		t.Fatal(err)
	}
	defer taker.Close()
	if announced, err := taker.Take(t.Context()); err != nil || announced == nil || announced.SessionID != opened.ID {
		t.Fatalf("announced %+v, %v, want %q", announced, err, opened.ID)
	}
	report := session.Report{SessionID: opened.ID, Language: "fr"}
	report.Add(session.Turn{Text: "bonjour"})
	if err := store.SaveReport(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	ask(t, handler, "GET", path+"/report", "", http.StatusOK, `"text":"bonjour"`)
}

func TestReportOfEndedAndUnknownSessions(t *testing.T) {
	store, handler := newAPI(t)
	ended := session.New("en")
	ended.State, ended.Reason = session.Ended, "no learner joined"
	if err := store.Save(t.Context(), ended); err != nil {
		t.Fatal(err)
	}
	ask(t, handler, "GET", "/v1/sessions/"+ended.ID+"/report", "", http.StatusGone, "no learner joined")
	ask(t, handler, "GET", "/v1/sessions/"+session.New("en").ID+"/report", "", http.StatusNotFound, "session_not_found")
	ask(t, handler, "GET", "/v1/sessions/x/report", "", http.StatusUnauthorized, "unauthorized")
	_ = store.Close()
	ask(t, handler, "GET", "/v1/sessions/"+ended.ID, "", http.StatusServiceUnavailable, "unavailable")
}
