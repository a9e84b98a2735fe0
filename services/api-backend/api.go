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
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/eloquence"
	"github.com/25eloquence/compose-mage/services/internal/serve"
	"github.com/25eloquence/compose-mage/services/internal/session"
	"github.com/25eloquence/compose-mage/services/internal/token"
)

const (
	tokenLife = time.Hour // a learner's; also the longest a session can be joined
	maxBody   = 4 << 10   // bytes of a request
)

// sessions is what the API needs of redis.
type sessions interface {
	Create(ctx context.Context, session session.Session) error
	Session(ctx context.Context, id string) (session.Session, error)
	Report(ctx context.Context, id string) (session.Report, error)
}

type api struct {
	store     sessions
	keys      token.Keys
	publicURL string
}

func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/sessions", a.open)
	mux.HandleFunc("GET /v1/sessions/{id}", a.session)
	mux.HandleFunc("GET /v1/sessions/{id}/report", a.report)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		serve.Fail(w, http.StatusNotFound, "no_such_path", fmt.Sprintf("there is no %s %q", r.Method, r.URL.Path))
	})
	return mux
}

// opened is the answer to POST /v1/sessions. Token is the learner's right to join Room at URL as
// Identity, for one hour.
type opened struct {
	ID       string `json:"id"`
	Room     string `json:"room"`
	URL      string `json:"url"`
	Token    string `json:"token"`
	Identity string `json:"identity"`
	Language string `json:"language"`
}

func (a *api) open(w http.ResponseWriter, r *http.Request) {
	language, err := readLanguage(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		serve.Fail(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	opening := session.New(language)
	signed, err := a.keys.Sign(opening.Room, opening.Identity, tokenLife)
	if err == nil {
		err = a.store.Create(r.Context(), opening)
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

// find reads the session of the path, or answers for it.
func (a *api) find(w http.ResponseWriter, r *http.Request) (found session.Session, ok bool) {
	id := r.PathValue("id")
	err := session.ErrNotFound
	if session.ValidID(id) {
		found, err = a.store.Session(r.Context(), id)
	}
	switch {
	case errors.Is(err, session.ErrNotFound):
		serve.Fail(w, http.StatusNotFound, "session_not_found", fmt.Sprintf("there is no session %q; sessions are kept for a day", id))
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
