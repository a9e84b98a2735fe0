package serve

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"os"

	"github.com/25eloquence/compose-mage/services/internal/admission"
)

// Intake is how a route takes bodies. All of it is decided before the first byte of one is read.
type Intake struct {
	Type    string // the media type that is demanded, such as application/json
	Largest int64  // bytes of a body
	// Cost is the memory, in bytes, that a request takes until it is answered, by the length of its body; nil for
	// just the body.
	Cost   func(length int64) int64
	Budget *admission.Budget // nil for a route whose bodies are too small to count
}

// Handle refuses what is of another type (415), is too large (413) or finds no room now (503), and passes the rest
// to next.
func (i Intake) Handle(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != i.Type {
			Refuse(w, http.StatusUnsupportedMediaType, "unsupported_type", "want Content-Type: "+i.Type)
			return
		}
		length := r.ContentLength
		if length > i.Largest {
			TooLarge(w, i.Largest)
			return
		}
		if length < 0 {
			length = i.Largest // not said
		}
		if i.Budget != nil {
			cost := length
			if i.Cost != nil {
				cost = i.Cost(length)
			}
			release, ok := i.Budget.Take(ClientAddress(r), cost)
			if !ok {
				w.Header().Set("Retry-After", "1")
				Refuse(w, http.StatusServiceUnavailable, "busy", "too many requests at once, try again")
				return
			}
			defer release()
		}
		r.Body = http.MaxBytesReader(w, r.Body, i.Largest)
		next(w, r)
	})
}

// TooLarge answers 413.
func TooLarge(w http.ResponseWriter, largest int64) {
	message := fmt.Sprintf("the request is larger than %d KiB", largest>>10)
	Refuse(w, http.StatusRequestEntityTooLarge, "body_too_large", message)
}

// FailedBody answers for a body that could not be read to its end for the client's sake: too large, or too slow. It
// tells whether it did.
func FailedBody(w http.ResponseWriter, err error) bool {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		TooLarge(w, large.Limit)
		return true
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		message := fmt.Sprintf("the body came slower than %d KiB a second", leastPace>>10)
		Refuse(w, http.StatusRequestTimeout, "too_slow", message)
		return true
	}
	return false
}
