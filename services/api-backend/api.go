package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/admission"
	"github.com/25eloquence/compose-mage/services/internal/eloquence"
	"github.com/25eloquence/compose-mage/services/internal/serve"
	"github.com/25eloquence/compose-mage/services/internal/session"
	"github.com/25eloquence/compose-mage/services/internal/token"
)

const (
	tokenLife = time.Hour // a learner's
	maxBody   = 4 << 10   // bytes of a request
)

// sessions is what the API needs of redis.
type sessions interface {
	Create(ctx context.Context, session session.Session, most int) error
	Session(ctx context.Context, id string) (session.Session, error)
	Report(ctx context.Context, id string) (session.Report, error)
}

type api struct {
	store     sessions
	keys      token.Keys
	token     serve.Token
	publicURL string
	rate      *admission.Rate // of opening sessions
	waiting   int             // most sessions that wait for their learner
	origins   []string        // whose pages may read a session with its learner's token
}

func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	opening := serve.Intake{Type: "application/json", Largest: maxBody}
	mux.Handle("POST /v1/sessions", a.token.Demand(opening.Handle(a.open)))
	mux.HandleFunc("GET /v1/sessions/{id}", a.session)
	mux.HandleFunc("GET /v1/sessions/{id}/report", a.report)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		serve.Fail(w, http.StatusNotFound, "no_such_path", fmt.Sprintf("there is no %s %q", r.Method, r.URL.Path))
	})
	return a.readable(mux)
}

// opened is the answer to POST /v1/sessions. Token is the learner's right to join Room at URL as
// Identity and to read this session and its report, for one hour; it is all that a browser needs.
type opened struct {
	ID       string `json:"id"`
	Room     string `json:"room"`
	URL      string `json:"url"`
	Token    string `json:"token"`
	Identity string `json:"identity"`
	Language string `json:"language"`
}

func (a *api) open(w http.ResponseWriter, r *http.Request) {
	language, err := readLanguage(r.Body)
	if err != nil {
		if !serve.FailedBody(w, err) {
			serve.Fail(w, http.StatusBadRequest, "invalid_request", err.Error())
		}
		return
	}
	if wait := a.rate.Take(serve.ClientAddress(r)); wait > 0 {
		later(w, wait)
		serve.Refuse(w, http.StatusTooManyRequests, "too_many_sessions", "this client opens sessions too fast; try again")
		return
	}
	opening := session.New(language)
	signed, err := a.keys.Sign(opening.Room, opening.Identity, tokenLife)
	if err == nil {
		err = a.store.Create(r.Context(), opening, a.waiting)
	}
	if errors.Is(err, session.ErrFull) {
		later(w, fullRetry)
		serve.Refuse(w, http.StatusServiceUnavailable, "too_many_sessions",
			"too many sessions wait for their learners or an agent; try again")
		return
	}
	if err != nil {
		unavailable(w, "opening session", err)
		return
	}
	serve.JSON(w, http.StatusCreated, opened{
		ID: opening.ID, Room: opening.Room, URL: a.publicURL, Token: signed, Identity: opening.Identity, Language: language,
	})
}

// readLanguage reads {"language":"en"}; an empty body or object asks for English. Its errors are
// meant for the caller of the API.
func readLanguage(body io.Reader) (string, error) {
	request := struct {
		Language string `json:"language"`
	}{Language: "en"}
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&request)
	switch {
	case errors.Is(err, io.EOF): // nothing sent
	case err != nil:
		return "", fmt.Errorf(`reading body: %w; want {"language":"en"}`, err)
	case decoder.More():
		return "", errors.New(`reading body: more than one JSON value; want {"language":"en"}`)
	}
	if languages := eloquence.Languages(); !slices.Contains(languages, request.Language) {
		return "", fmt.Errorf("language %q is not known; want one of %s", request.Language, strings.Join(languages, ", "))
	}
	return request.Language, nil
}

// fullRetry is when to ask again where too many sessions wait.
const fullRetry = 5 * time.Second

func later(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
}

// find reads the session of the path for who may see it, the API's token or the session's own, or answers for it.
// Who may not learns nothing of which sessions there are.
func (a *api) find(w http.ResponseWriter, r *http.Request) (found session.Session, ok bool) {
	id, shown := r.PathValue("id"), serve.Bearer(r)
	if !session.ValidID(id) || !a.token.Matches(shown) && !a.keys.Holds(shown, session.Room(id), session.Learner(id)) {
		serve.Unauthorized(w, "this needs the session's token, which came with it, or the API's: Authorization: Bearer …")
		return found, false
	}
	found, err := a.store.Session(r.Context(), id)
	switch {
	case errors.Is(err, session.ErrNotFound):
		serve.Fail(w, http.StatusNotFound, "session_not_found",
			fmt.Sprintf("there is no session %q; one that no learner joins is kept for %s, others for a day", id, session.JoinWithin))
	case err != nil:
		unavailable(w, "reading session", err)
	}
	return found, err == nil
}

func (a *api) session(w http.ResponseWriter, r *http.Request) {
	if found, ok := a.find(w, r); ok {
		serve.JSON(w, http.StatusOK, found)
	}
}

// report answers 200 with the report, 202 with the session while there is none, and 410 if the
// session ended without one.
func (a *api) report(w http.ResponseWriter, r *http.Request) {
	found, ok := a.find(w, r)
	if !ok {
		return
	}
	report, err := a.store.Report(r.Context(), found.ID)
	switch {
	case err == nil:
		serve.JSON(w, http.StatusOK, report)
	case !errors.Is(err, session.ErrNotFound):
		unavailable(w, "reading report", err)
	case found.State == session.Ended:
		serve.Fail(w, http.StatusGone, "no_report", "the session ended without a report: "+found.Reason)
	default:
		w.Header().Set("Retry-After", "1")
		serve.JSON(w, http.StatusAccepted, found)
	}
}

// unavailable hides the cause, which may name hosts, from the caller and logs it.
func unavailable(w http.ResponseWriter, doing string, err error) {
	slog.Error(doing, "error", err.Error())
	serve.Fail(w, http.StatusServiceUnavailable, "unavailable", doing+" failed; try again")
}
