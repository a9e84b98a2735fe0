package swarm_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/25eloquence/compose-mage/stack"
	"github.com/25eloquence/compose-mage/stack/swarm"
)

// fakeEngine answers as an engine does; asked are the paths that it was asked for.
type fakeEngine struct {
	mu      sync.Mutex
	asked   []string
	answers map[string]any // by the path's end
}

func newEngine(t *testing.T, answers map[string]any) *fakeEngine {
	t.Helper()
	e := &fakeEngine{answers: answers}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	t.Setenv("DOCKER_HOST", "tcp://"+strings.TrimPrefix(server.URL, "http://"))
	t.Chdir(t.TempDir())
	if err := os.WriteFile(filepath.Join(".", "compose.yaml"), []byte("name: shop\nservices: {web: {image: a}}\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if version, rest, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/"); ok && strings.HasPrefix(version, "v1.") {
		path = "/" + rest
	}
	e.mu.Lock()
	e.asked = append(e.asked, path)
	e.mu.Unlock()
	w.Header().Set("Api-Version", "1.41")
	w.Header().Set("Content-Type", "application/json")
	if path == "/_ping" {
		_, _ = io.WriteString(w, "OK")
		return
	}
	answer, known := e.answers[path]
	if !known {
		answer = []string{}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (e *fakeEngine) paths() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := strings.Join(e.asked, " ")
	e.asked = nil
	return out
}

func info(manager bool) map[string]any {
	state := "inactive"
	if manager {
		state = "active"
	}
	return map[string]any{
		"Name": "box1", "NCPU": 2, "MemTotal": 8 << 30,
		"Swarm": map[string]any{"LocalNodeState": state, "ControlAvailable": manager, "NodeID": "id-box1"},
	}
}

// Of an engine that is in no Swarm nothing more is asked than the targets asked before there were deployed stacks.
func TestAnEngineInNoSwarmIsAskedNothingMore(t *testing.T) {
	e := newEngine(t, map[string]any{"/info": info(false)})
	if _, err := stack.Open(t.Context(), stack.Options{}); err != nil {
		t.Fatal(err)
	}
	before := e.paths()
	ctx := swarm.KeepEngine(t.Context())
	if _, is, err := swarm.Find(ctx, swarm.FindOptions{}); err != nil || is {
		t.Fatalf("deployed %t, %v", is, err)
	}
	if _, err := stack.Open(ctx, stack.Options{}); err != nil {
		t.Fatal(err)
	}
	if now := e.paths(); now != before || !strings.HasSuffix(now, "/_ping /info") {
		t.Errorf("asked %s\nbefore %s", now, before)
	}
}

// What a target is about follows from what there is; where that does not tell, what changes something does nothing.
func TestFind(t *testing.T) {
	service := map[string]any{"ID": "s", "Spec": map[string]any{"Name": "shop_web"}}
	container := func(state string) map[string]any {
		return map[string]any{"Id": "c", "Names": []string{"/shop-web-1"}, "State": state, "Labels": map[string]string{
			"com.docker.compose.project": "shop", "com.docker.compose.service": "web",
			"com.docker.compose.oneoff": "False", "com.docker.compose.container-number": "1",
		}}
	}
	yes, no := true, false
	one := []any{service}
	for name, c := range map[string]struct {
		services   []any
		containers []any
		deployed   *bool
		changes    string
		want       bool
		says, err  string
	}{
		"nothing":    {},
		"containers": {containers: []any{container("running")}},
		"the stack":  {services: one, changes: "stop", want: true},
		"the stack, stopped containers": {
			services: one, containers: []any{container("exited")}, changes: "stop", want: true,
			says: "-deployed=false is about those",
		},
		"both, looking": {
			services: one, containers: []any{container("running")}, says: "-deployed is about it",
		},
		"both, changing": {
			services: one, containers: []any{container("running")}, changes: "stop", err: "nothing was done",
		},
		"both, the stack": {
			services: one, containers: []any{container("running")}, deployed: &yes, changes: "stop", want: true,
			says: "-deployed=false",
		},
		"both, the containers": {
			services: one, containers: []any{container("running")}, deployed: &no, changes: "stop",
		},
		"none, the stack": {deployed: &yes, err: "there is no stack shop"},
	} {
		t.Run(name, func(t *testing.T) {
			answers := map[string]any{"/info": info(true)}
			if c.services != nil {
				answers["/services"] = c.services
			}
			if c.containers != nil {
				answers["/containers/json"] = c.containers
			}
			newEngine(t, answers)
			var notes strings.Builder
			found, is, err := swarm.Find(swarm.KeepEngine(t.Context()), swarm.FindOptions{
				Deployed: c.deployed, Changes: c.changes, Errors: &notes,
			})
			if is != c.want || is != (found != nil) {
				t.Errorf("deployed %t, want %t", is, c.want)
			}
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if !strings.Contains(notes.String(), c.says) || c.says == "" && notes.String() != "" {
				t.Errorf("says %q, want %q", notes.String(), c.says)
			}
		})
	}
}
