package page

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/trace"
)

func TestTimeline(t *testing.T) {
	t.Setenv("COMPOSE_MAGE_STATE", t.TempDir())
	s := New(Options{Project: "shop"})
	get := func(query string) (int, string) {
		w := httptest.NewRecorder()
		s.timeline(w, httptest.NewRequest(http.MethodGet, "/timeline.json"+query, nil))
		return w.Code, w.Body.String()
	}
	for _, query := range []string{"", "?of=start", "?of=build", "?of=../serve", "?of=restart"} {
		if code, body := get(query); code != http.StatusNotFound {
			t.Errorf("%q: %d %s", query, code, body)
		}
	}
	built := trace.Span{Lane: "web", Name: "RUN make", Kind: trace.Step, Began: time.Now(), Ended: time.Now()}
	if err := trace.Keep(trace.Timeline{What: "build", Project: "shop", Spans: []trace.Span{built}}); err != nil {
		t.Fatal(err)
	}
	if code, body := get("?of=build"); code != http.StatusOK || !strings.Contains(body, `"name":"RUN make"`) {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := get("?of=start"); code != http.StatusNotFound {
		t.Error("a build is shown for a start")
	}
	dir, err := state.ProjectDir("shop")
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "timeline-start.json"), 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := get("?of=start"); code != http.StatusInternalServerError {
		t.Errorf("a directory in the file's place: %d", code)
	}
}
