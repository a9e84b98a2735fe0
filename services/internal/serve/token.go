package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
)

// minToken is the least length of a token, in characters.
const minToken = 32

// Token is the API's token: who shows it may use the services. Servers and tools hold it, never a learner's browser.
type Token struct{ sum [sha256.Size]byte }

// NewToken makes a Token of the secret's text.
func NewToken(text string) (Token, error) {
	if len(text) < minToken {
		return Token{}, errors.New("reading the API's token: it has fewer than 32 characters")
	}
	return Token{sum: sha256.Sum256([]byte(text))}, nil
}

// ReadToken reads the API's token from the secret that API_TOKEN_FILE names.
func ReadToken() (Token, error) {
	text, err := Secret("API_TOKEN_FILE")
	if err != nil {
		return Token{}, err
	}
	return NewToken(text)
}

// Matches tells whether text is the token. The time it takes says nothing of where they differ.
func (t Token) Matches(text string) bool {
	sum := sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(t.sum[:], sum[:]) == 1
}

// Demand lets only those requests pass to next that show the token.
func (t Token) Demand(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !t.Matches(Bearer(r)) {
			Unauthorized(w, "this needs the API's token, as setup has written it into the secret api_token: "+
				"Authorization: Bearer …")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Bearer is what a request shows in its Authorization header (RFC 6750), "" for nothing.
func Bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// Unauthorized answers 401.
func Unauthorized(w http.ResponseWriter, message string) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	Refuse(w, http.StatusUnauthorized, "unauthorized", message)
}
