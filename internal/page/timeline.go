package page

import (
	"errors"
	"io/fs"
	"net/http"

	"github.com/25eloquence/compose-mage/internal/trace"
)

// timeline gives when the last start, or the last build, did what.
func (s *Server) timeline(w http.ResponseWriter, r *http.Request) {
	what := r.URL.Query().Get("of")
	if what != "start" && what != "build" {
		http.Error(w, "of=start or of=build", http.StatusNotFound)
		return
	}
	kept, err := trace.Kept(s.Project, what)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.Error(w, "no "+what+" is known", http.StatusNotFound)
	case err != nil:
		http.Error(w, "the last "+what+" can't be read", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(kept)
	}
}
