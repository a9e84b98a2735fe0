package page

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/state"
)

// recorded has a server listen and write itself down.
func recorded(t *testing.T) (*Server, Record, *Place) {
	t.Helper()
	t.Setenv(state.Variable, t.TempDir())
	s := run(t)
	p, err := Take("shop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Leave)
	file := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(file, []byte("services: {web: {image: 'web:${TAG_OF_THE_TEST}'}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := Record{
		Project: "shop", Of: Caller(nil), Address: s.Address, Token: s.Token, Started: time.Now(), Every: 1,
		Files: []Stamp{StampOf(file), StampOf(file + ".none")},
	}
	r.Variables = VariablesOf(r.Files)
	if err := p.Keep(r); err != nil {
		t.Fatal(err)
	}
	return s, r, p
}

func TestAskFindsTheServer(t *testing.T) {
	_, _, p := recorded(t)
	t.Setenv("A_VARIABLE_OF_NOBODY", "1") // no file names it
	got, r, ok := Ask(t.Context(), Caller(nil), nil)
	if !ok || got.Project != "shop" || len(got.Services) != 2 || got.Services[0].Container != hostile ||
		r.PID != os.Getpid() {
		t.Fatalf("got %+v, %+v, %t", got, r, ok)
	}
	if said := r.Says(got); !strings.Contains(said, "by the monitor -serve that runs since 20") {
		t.Error(said)
	}
	got, _, ok = Ask(t.Context(), Caller(nil), []string{"db"})
	if !ok || len(got.Services) != 1 || got.Services[0].Service != "db" {
		t.Errorf("one service: %+v, %t", got.Services, ok)
	}
	info, err := os.Stat(p.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the record is %v, %v", info.Mode(), err)
	}
	token := filepath.Join(filepath.Dir(p.path), "serve.token") // as docs/metrics.md has it
	if info, err = os.Stat(token); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	if text, err := os.ReadFile(token); err != nil || string(text) != r.Token {
		t.Errorf("scrapers would send %q, %v", text, err)
	}
}

// Whatever is not as it should be, a look is taken without the server.
func TestAskDoesWithoutTheServer(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, r *Record){
		"another project":    func(_ *testing.T, r *Record) { r.Of = Caller([]string{"other.yaml"}) },
		"another token":      func(_ *testing.T, r *Record) { r.Token = NewToken() },
		"nobody listens":     func(t *testing.T, r *Record) { r.Address = closedPort(t) },
		"a file has changed": func(t *testing.T, r *Record) { change(t, r.Files[0].Path) },
		"a file is new":      func(t *testing.T, r *Record) { change(t, r.Files[1].Path) },
		"a variable is set":  func(t *testing.T, _ *Record) { t.Setenv("TAG_OF_THE_TEST", "2") },
	} {
		t.Run(name, func(t *testing.T) {
			_, r, p := recorded(t)
			spoil(t, &r)
			if err := p.Keep(r); err != nil {
				t.Fatal(err)
			}
			if _, _, ok := Ask(t.Context(), Caller(nil), nil); ok {
				t.Error("the server was asked")
			}
		})
	}
	_, r, p := recorded(t)
	if _, _, ok := Ask(t.Context(), Caller(nil), []string{"nosuch"}); ok {
		t.Error("a service that it does not know")
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(p.path, old, old); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := Ask(t.Context(), Caller(nil), nil); ok {
		t.Error("a server that has not marked for an hour")
	}
	if err := p.Keep(r); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p.path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := Ask(t.Context(), Caller(nil), nil); ok {
		t.Error("a record that others can read")
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func change(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("services: {web: {image: x}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Whoever took the address when the server ended learns no token, and is not believed.
func TestTheTokenIsSentToNoOtherServer(t *testing.T) {
	_, r, p := recorded(t)
	var seen []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		seen = append(seen, q.Header.Get("Authorization"))
		w.Header().Set(proofHeader, q.Header.Get(nonceHeader))
		_, _ = w.Write([]byte(`{"project":"shop","time":"` + time.Now().Format(time.RFC3339Nano) + `"}`))
	}))
	defer other.Close()
	r.Address = strings.TrimPrefix(other.URL, "http://")
	if err := p.Keep(r); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := Ask(t.Context(), Caller(nil), nil); ok {
		t.Error("it is believed")
	}
	if len(seen) != 1 || seen[0] != "" {
		t.Errorf("it was sent %q", seen)
	}
}

// One who listens and says nothing costs no more than a quarter of a second.
func TestASilentServerIsNotWaitedFor(t *testing.T) {
	_, r, p := recorded(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r.Address = l.Addr().String()
	if err := p.Keep(r); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, _, ok := Ask(ctx, Caller(nil), nil); ok || ctx.Err() != nil {
		t.Errorf("%t, %v", ok, ctx.Err())
	}
}

func TestOneServerAProject(t *testing.T) {
	_, r, p := recorded(t)
	_, err := Take("shop")
	if err == nil || !strings.Contains(err.Error(), URL(r.Address, r.Token)) ||
		!strings.Contains(err.Error(), "kill ") {
		t.Errorf("got %v", err)
	}
	p.Leave()
	next, err := Take("shop")
	if err != nil || next.Before.Token != r.Token || next.Before.Address != r.Address {
		t.Fatalf("the next one has not the record of the one before: %+v, %v", next, err)
	}
	next.Leave()
	old := time.Now().Add(-keptFor - time.Second)
	if err := os.Chtimes(p.path, old, old); err != nil {
		t.Fatal(err)
	}
	late, err := Take("shop")
	if err != nil || late.Before.Token != "" {
		t.Errorf("an old token is kept: %+v, %v", late, err)
	}
	late.Leave()
}

func TestOnly(t *testing.T) {
	s := someSnapshot()
	s.Findings = []finding.Finding{
		finding.Warn("a", "", "x").Of("web"), finding.Warn("b", "", "y").Of("db"), finding.Warn("disk.low", "", "z"),
	}
	got, ok := only(s, []string{"web"})
	if !ok || len(got.Services) != 1 || len(got.Findings) != 2 || got.Findings[1].ID != "disk.low" {
		t.Errorf("got %+v, %t", got, ok)
	}
	if len(s.Services) != 2 || len(s.Findings) != 3 {
		t.Error("the whole snapshot was changed")
	}
}

func TestFresh(t *testing.T) {
	for every, want := range map[float64]time.Duration{
		1: 5 * time.Second, 2: 5 * time.Second, 10: 20 * time.Second, 60: 30 * time.Second, 0: 5 * time.Second,
	} {
		if got := fresh(every); got != want {
			t.Errorf("every %v s: %s", every, got)
		}
	}
}

func TestShapeIsOfTheSnapshot(t *testing.T) {
	if a, b := shape(), shape(); a != b || len(a) != 16 {
		t.Errorf("%q, %q", a, b)
	}
}
