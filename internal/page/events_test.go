package page

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/monitor"
)

// text gives events as "1 snapshot".
func text(events []event) string {
	var all []string
	for _, e := range events {
		all = append(all, fmt.Sprintf("%d %s", e.number, e.kind))
	}
	return strings.Join(all, ", ")
}

func TestJournal(t *testing.T) {
	for name, c := range map[string]struct {
		kinds   []string
		after   int64
		want    string
		missing bool
	}{
		"empty":                       {nil, 0, "", false},
		"from the start":              {[]string{"snapshot", "snapshot"}, 0, "2 snapshot", true},
		"one missed":                  {[]string{"snapshot", "snapshot"}, 1, "2 snapshot", false},
		"nothing missed":              {[]string{"snapshot", "snapshot"}, 2, "", false},
		"of the future":               {[]string{"snapshot"}, 9, "1 snapshot", true},
		"the snapshot and what after": {[]string{"snapshot", "snapshot", "engine"}, 0, "2 snapshot, 3 engine", true},
		"no snapshot yet":             {[]string{"engine", "engine"}, 0, "1 engine, 2 engine", true},
	} {
		j := newJournal("r")
		for _, kind := range c.kinds {
			j.add(kind, nil)
		}
		got, missing, _ := j.after(c.after)
		if text(got) != c.want || missing != c.missing {
			t.Errorf("%s: %s, %t", name, text(got), missing)
		}
	}
}

func TestJournalIsBounded(t *testing.T) {
	j := newJournal("r")
	for range maxEvents + 10 {
		j.add("snapshot", []byte("{}"))
	}
	if len(j.all) != maxEvents {
		t.Errorf("%d events are kept", len(j.all))
	}
	if got, missing, _ := j.after(5); !missing || text(got) != fmt.Sprintf("%d snapshot", maxEvents+10) {
		t.Errorf("after one that is gone: %s, %t", text(got), missing)
	}
	if got, missing, _ := j.after(11); missing || len(got) != maxEvents-1 {
		t.Errorf("after one that is there: %d, %t", len(got), missing)
	}
	for range 20 {
		j.add("snapshot", make([]byte, maxBytes/4))
	}
	if j.bytes > maxBytes || len(j.all) != 4 {
		t.Errorf("%d bytes in %d events are kept", j.bytes, len(j.all))
	}
	j.add("snapshot", make([]byte, 2*maxBytes))
	if len(j.all) != 1 {
		t.Error("one that is larger than the limit has to be kept alone")
	}
}

func TestNumberOfAnID(t *testing.T) {
	j := newJournal("r")
	for id, want := range map[string]int64{
		"r-7": 7, "": 0, "q-7": 0, "r-": 0, "r-x": 0, "r--7": 0, "r-99999999999999999999": 0, "7": 0,
	} {
		if got := j.number(id); got != want {
			t.Errorf("%q: %d", id, got)
		}
	}
}

// stream follows the events of a server that listens.
type stream struct {
	*bufio.Scanner
	response *http.Response
	stop     context.CancelFunc
}

func follow(t *testing.T, s *Server, last string) *stream {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Address+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.Token)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = response.Body.Close() })
	return &stream{bufio.NewScanner(response.Body), response, stop}
}

// next gives the next event as "id kind data".
func (s *stream) next(t *testing.T) string {
	t.Helper()
	late := time.AfterFunc(20*time.Second, s.stop)
	defer late.Stop()
	id, kind := "", ""
	for s.Scan() {
		name, value, _ := strings.Cut(s.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			return strings.TrimSpace(id + " " + kind + " " + value)
		}
	}
	t.Fatalf("the stream ended: %v", s.Err())
	return ""
}

// run has a server listen.
func run(t *testing.T) *Server {
	t.Helper()
	s := newTestServer(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Address = l.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	go s.Run(ctx)
	t.Cleanup(func() {
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the server does not end")
		}
	})
	return s
}

func TestEventsComeAsTheyHappen(t *testing.T) {
	s := run(t)
	first := follow(t, s, "")
	if got := first.next(t); got != `reset {"engine":"","logs":true}` {
		t.Errorf("got %s", got)
	}
	sent := s.From.(fixed).sent
	sent <- someSnapshot()
	one := first.next(t)
	if !strings.Contains(one, `-1 snapshot {"time":`) || strings.Contains(one, "<script>") {
		t.Errorf("got %s", one)
	}
	s.Engine(errors.New("gone\x1b[2J\nid: forged"))
	if got := first.next(t); !strings.HasSuffix(got, `-2 engine {"engine":"gone\\x1b[2J\\nid: forged"}`) {
		t.Errorf("got %s", got)
	}
	sent <- someSnapshot()
	if got := first.next(t); !strings.HasSuffix(got, `-3 engine {"engine":""}`) {
		t.Errorf("got %s", got)
	}
	first.next(t)
	first.stop()
	id, _, _ := strings.Cut(one, " ")
	again := follow(t, s, id)
	for _, want := range []string{"-2 engine", "-3 engine", "-4 snapshot"} {
		if got := again.next(t); !strings.Contains(got, want) {
			t.Errorf("resumed: got %s, want %s", got, want)
		}
	}
	other := follow(t, s, "another-3")
	if got := other.next(t); !strings.HasPrefix(got, "reset ") {
		t.Errorf("another run's ID: got %s", got)
	}
	if got := other.next(t); !strings.Contains(got, "-4 snapshot") {
		t.Errorf("got %s", got)
	}
}

func TestFollowersAreLimited(t *testing.T) {
	s := run(t)
	var all []*stream
	for range maxFollowers {
		all = append(all, follow(t, s, ""))
	}
	if got := follow(t, s, ""); got.response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one more: %d", got.response.StatusCode)
	}
	all[0].stop()
	deadline := time.Now().Add(20 * time.Second)
	for follow(t, s, "").response.StatusCode != http.StatusOK {
		if time.Now().After(deadline) {
			t.Fatal("one who left still counts")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestNoSnapshotYet(t *testing.T) {
	s := New(Options{Address: address, Token: NewToken(), From: fixed{sent: make(chan monitor.Snapshot)}})
	if got := call(s, http.MethodGet, "/snapshot.json", nil); got.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d", got.Code)
	}
}
