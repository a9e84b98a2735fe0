package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// apart is a Compose file in a folder of its own, and no engine.
func apart(t *testing.T, text string) (file string) {
	t.Helper()
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", "DOCKER_CONTEXT"} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "no.sock"))
	file = filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A name that no service has is a mistake in the question, and nothing is looked for.
func TestNoSuchService(t *testing.T) {
	file := apart(t, "services:\n  redis: {image: x}\n  web: {image: x}\n")
	_, err := Examine(t.Context(), Options{Files: []string{file}, Services: []string{"redos"}})
	var f *fault.Error
	const want = "no service \"redos\" (did you mean \"redis\"?); this stack has redis, web\n  next: go tool mage " +
		"doctor"
	if !errors.As(err, &f) || f.Code != fault.Usage || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// Without an engine the files are looked at all the same, and what could not be looked for is one line.
func TestNoEngine(t *testing.T) {
	file := apart(t, "services:\n  web: {image: 'x:1', ports: ['80']}\n")
	r, err := Examine(t.Context(), Options{Files: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, f := range r.Findings {
		ids = append(ids, f.ID)
	}
	if !slices.Equal(ids, []string{"engine.reach", "restart.missing"}) {
		t.Errorf("found %s", ids)
	}
	var text strings.Builder
	r.Print(&text)
	if strings.Count(text.String(), "not looked for") != 1 ||
		!strings.Contains(text.String(), "kinds of trouble (-json names them): no engine answers") {
		t.Errorf("got\n%s", &text)
	}
	var f *fault.Error
	if !errors.As(r.Err(FailOnError), &f) || f.Code != fault.Engine {
		t.Errorf("got %v", r.Err(FailOnError))
	}
}

// Files that do not load are one error.
func TestFilesThatDoNotLoad(t *testing.T) {
	file := apart(t, "services:\n  web: {image: x, no_such_key: 1}\n")
	r, err := Examine(t.Context(), Options{Files: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 2 || r.Findings[1].ID != "project.load" ||
		!strings.Contains(r.Findings[1].Evidence, `compose.yaml:2: unknown key "no_such_key"`) {
		t.Errorf("%+v", r.Findings)
	}
	for _, u := range r.Unseen {
		if len(u.IDs) == 0 || u.Why == "" {
			t.Errorf("%+v", u)
		}
	}
}
