package page

import (
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"

	"github.com/25eloquence/compose-mage/internal/state"
)

// startName is the file of a project's last start.
const startName = "start.json"

// mostStart is the most that is kept of one start, in bytes.
const mostStart = 4 << 20

// KeepStart keeps the report of a start, in JSON, for the pages to come.
func KeepStart(project string, report []byte) error {
	dir, err := state.ProjectDir(project)
	if err != nil || len(report) > mostStart {
		return err
	}
	return state.Keep(filepath.Join(dir, startName), report)
}

// start gives the report of the last start.
func (s *Server) start(w http.ResponseWriter, _ *http.Request) {
	dir, err := state.ProjectDir(s.Project)
	if err != nil {
		http.Error(w, "there is no state directory", http.StatusInternalServerError)
		return
	}
	report, err := state.ReadFile(filepath.Join(dir, startName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.Error(w, "no start is known", http.StatusNotFound)
	case err != nil || len(report) > mostStart:
		http.Error(w, "the last start can't be read", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(report)
	}
}
