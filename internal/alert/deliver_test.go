package alert

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/state"
)

// hook is a webhook's other side.
type hook struct {
	*httptest.Server
	mutex  sync.Mutex
	got    []Event
	status int // what it answers with
}

func listen(t *testing.T) *hook {
	t.Helper()
	h := &hook{status: http.StatusOK}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mutex.Lock()
		defer h.mutex.Unlock()
		body, _ := io.ReadAll(r.Body)
		var e Event
		if err := json.Unmarshal(body, &e); err != nil {
			t.Errorf("%v: %s", err, body)
		}
		if h.status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(h.status)
		if h.status == http.StatusOK {
			h.got = append(h.got, e)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) answer(status int) { h.mutex.Lock(); defer h.mutex.Unlock(); h.status = status }

func (h *hook) statuses() string {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	var out []string
	for _, e := range h.got {
		out = append(out, e.Finding+" "+e.Status)
	}
	return strings.Join(out, ", ")
}

func to(address string) Receiver {
	return Receiver{Name: "hook", send: webhook{address: func() (string, error) { return address, nil }}.send}
}

// channel gives snapshots by hand.
type channel chan monitor.Snapshot

func (c channel) Follow() (<-chan monitor.Snapshot, func()) { return c, func() {} }

func run(t *testing.T, r Receiver) (*Alerts, channel, func()) {
	t.Helper()
	a, err := Open("shop", []Receiver{r})
	if err != nil {
		t.Fatal(err)
	}
	a.least = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	snapshots, ended := make(channel), make(chan struct{})
	go func() { defer close(ended); a.Run(ctx, snapshots) }()
	return a, snapshots, func() { cancel(); <-ended }
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what + " is not so")
		}
	}
}

// seen is a snapshot with a kill count.
func seen(at time.Duration, kills int) monitor.Snapshot {
	s := monitor.Snapshot{
		Time: noon.Add(at), Project: "shop", Services: []monitor.Replica{{Service: "redis", ID: "a", OOMKills: kills}},
	}
	if kills > 0 {
		s.Findings = []finding.Finding{finding.Warn("memory.killed", "raise it", "redis was killed").Of("redis")}
	}
	return s
}

// The receiver is down, and the server is ended and started meanwhile: what fired is told once it is up, once.
func TestNothingIsLostAndNothingToldTwice(t *testing.T) {
	t.Setenv(state.Variable, t.TempDir())
	h := listen(t)
	h.answer(http.StatusInternalServerError)
	a, snapshots, stop := run(t, to(h.URL))
	snapshots <- seen(0, 0)
	snapshots <- seen(time.Second, 1)
	until(t, "the dead receiver is shown", func() bool { return len(a.Findings()) == 1 })
	if f := a.Findings()[0]; f.ID != idUndelivered || strings.Contains(f.Evidence, h.URL) ||
		!strings.Contains(f.Evidence, "status 500") {
		t.Errorf("got %+v", f)
	}
	stop()
	dir, _ := state.ProjectDir("shop")
	if info, err := os.Stat(filepath.Join(dir, fileName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	_, snapshots, stop = run(t, to(h.URL))
	snapshots <- seen(2*time.Second, 1)
	h.answer(http.StatusOK)
	until(t, "it is told", func() bool { return h.statuses() == "memory.killed firing" })
	stop()
	a, snapshots, stop = run(t, to(h.URL))
	defer stop()
	for at := 3 * time.Second; at < 12*time.Minute; at += 5 * time.Second {
		snapshots <- seen(at, 1)
	}
	until(t, "it is resolved", func() bool { return h.statuses() == "memory.killed firing, memory.killed resolved" })
	if len(a.Findings()) > 0 || h.got[0].Alert != h.got[1].Alert || h.got[0].ID == h.got[1].ID ||
		h.got[0].Project != "shop" || h.got[0].Service != "redis" {
		t.Errorf("got %+v, %+v", a.Findings(), h.got)
	}
}

// No error of a webhook holds its address, whatever goes wrong.
func TestTheAddressIsASecret(t *testing.T) {
	h := listen(t)
	dead := httptest.NewServer(nil)
	dead.Close()
	secure := httptest.NewTLSServer(nil)
	defer secure.Close()
	h.answer(http.StatusFound)
	const token = "s3cr3t"
	for address, want := range map[string]string{
		dead.URL + "/" + token:                                   "it refuses the connection",
		secure.URL + "/" + token:                                 "its certificate is not trusted",
		strings.Replace(h.URL, "http", "https", 1) + "/" + token: "the connection failed",
		h.URL + "/" + token:                                      "a redirect (302), which is not followed",
		"http://" + token + ".invalid/":                          "",
		"ftp://host/" + token:                                    "is no address",
		token:                                                    "is no address",
		"https://host/" + token + "\n\x7f":                       "is no address",
		"https://us er:" + token + "@host":                       "is no address",
	} {
		err := to(address).send(t.Context(), Event{})
		if err == nil || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", address, err, want)
		}
	}
}

func TestJudge(t *testing.T) {
	var no refused
	var when later
	if err := judge(204, "", noon); err != nil {
		t.Error(err)
	}
	if err := judge(400, "", noon); !errors.As(err, &no) {
		t.Error(err)
	}
	for text, want := range map[string]time.Duration{
		"7": 7 * time.Second, "999999999999": mostRetryAfter, "-1": 0, "soon": 0,
		noon.Add(time.Minute).Format(http.TimeFormat): time.Minute, noon.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		err := judge(429, text, noon)
		if errors.As(err, &when) != (want > 0) || want > 0 && when.after != want {
			t.Errorf("Retry-After %q: %v", text, err)
		}
	}
}

// An event that is refused does not stand in the way of the next ones for ever, and they say that one is missing.
func TestRefusedEventsAreGivenUp(t *testing.T) {
	t.Setenv(state.Variable, t.TempDir())
	h := listen(t)
	h.answer(http.StatusBadRequest)
	a, snapshots, stop := run(t, to(h.URL))
	defer stop()
	snapshots <- seen(0, 0)
	snapshots <- seen(time.Second, 1)
	until(t, "it is given up", func() bool {
		a.mutex.Lock()
		defer a.mutex.Unlock()
		return a.book.Accounts["hook"].Dropped == 1
	})
	h.answer(http.StatusOK)
	for at := 2 * time.Second; at < 12*time.Minute; at += 5 * time.Second {
		snapshots <- seen(at, 1)
	}
	until(t, "the next is told", func() bool { return h.statuses() == "memory.killed resolved" })
	if h.got[0].Dropped != 1 {
		t.Errorf("got %+v", h.got)
	}
}

func TestQueuesAreBounded(t *testing.T) {
	acc := account{Queue: make([]Event, mostQueued+7)}
	for i := range acc.Queue {
		acc.Queue[i].At = noon
	}
	if acc.giveUp(noon); len(acc.Queue) != mostQueued || acc.Dropped != 7 {
		t.Errorf("%d are left, %d dropped", len(acc.Queue), acc.Dropped)
	}
	if acc.giveUp(noon.Add(mostAge + time.Second)); len(acc.Queue) != 0 {
		t.Errorf("%d are left after a day", len(acc.Queue))
	}
	for failed := 1; failed < 100; failed++ {
		if p := pauseAfter(failed, leastPause); p < leastPause/2 || p > mostPause*3/2 {
			t.Errorf("pause %d is %s", failed, p)
		}
	}
}

func TestCommand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it has no sh")
	}
	t.Setenv("SOME_SECRET", "x")
	out := filepath.Join(t.TempDir(), "out")
	c := command{[]string{"sh", "-c", `cat >"$1"; env >>"$1"`, "sh", out}, t.TempDir()}
	e := eventOf(finding.Warn("memory.killed", "do", "$(touch x) `y` \n z").Of("redis"), noon, noon)
	if err := c.send(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	var got Event
	if err := json.Unmarshal([]byte(first), &got); err != nil || got != e {
		t.Errorf("%v: got %+v, want %+v", err, got, e)
	}
	if !strings.Contains(rest, "COMPOSE_MAGE_ALERT_FINDING=memory.killed\n") || strings.Contains(rest, "SOME_SECRET") {
		t.Errorf("environment %s", rest)
	}
	if err := (command{[]string{"sh", "-c", "exit 3"}, ""}).send(t.Context(), e); err == nil ||
		!strings.Contains(err.Error(), "exit code 3") {
		t.Error(err)
	}
	// What it has started dies with it.
	pid := filepath.Join(t.TempDir(), "mark")
	slow := command{[]string{"sh", "-c", `(sleep 1; touch "$1") & sleep 60`, "sh", pid}, ""}
	begun := time.Now()
	if err := slow.run(t.Context(), e, 100*time.Millisecond); err == nil || time.Since(begun) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(begun))
	}
	time.Sleep(1200 * time.Millisecond)
	if _, err := os.Stat(pid); err == nil {
		t.Error("a child of the command goes on")
	}
}
