package serve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/admission"
)

// taking is a service that reads bodies of up to 25 MiB and answers with how long they were.
func taking(budget *admission.Budget) *Service {
	intake := Intake{Type: "application/octet-stream", Largest: 25 << 20, Budget: budget}
	return &Service{Handler: intake.Handle(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			if !FailedBody(w, err) {
				Refuse(w, http.StatusBadRequest, "invalid", err.Error())
			}
			return
		}
		JSON(w, http.StatusOK, len(body))
	})}
}

// dial connects from a loopback address of its own, as another client.
func dial(t *testing.T, url, from string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Skipf("another loopback address than 127.0.0.1 can't be used here: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// answer reads the status of the answer on conn; 0 where the connection is cut off without one.
func answer(conn net.Conn) int {
	_ = conn.SetReadDeadline(time.Now().Add(15 * time.Second))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// upload sends what a client sends that claims a body of that length and then sends only sent.
func upload(t *testing.T, conn net.Conn, length int, sent string) {
	t.Helper()
	_, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n%s", length, sent)
	if err != nil {
		t.Error(err)
	}
}

// TestStalledUploads: 200 clients that send the start of a large body and then nothing get what the budget has for
// them, the rest is refused before a byte is read, and another client is served meanwhile. All are cut off, also
// those that trickle.
func TestStalledUploads(t *testing.T) {
	t.Parallel()
	budget := admission.NewBudget(200 << 20)
	url, _ := running(t, taking(budget))
	var refused, cut atomic.Int32
	const stalled = 200
	ended := make(chan struct{}, stalled)
	began := time.Now()
	for n := range stalled {
		conn := dial(t, url, "127.0.0.2")
		upload(t, conn, 25<<20, strings.Repeat("x", 1000))
		go func() {
			defer func() { ended <- struct{}{} }()
			if n%2 == 0 {
				go trickle(conn)
			}
			switch answer(conn) {
			case http.StatusServiceUnavailable:
				refused.Add(1)
			case http.StatusRequestTimeout:
				cut.Add(1)
			}
		}()
	}
	for refused.Load() < stalled-4 && time.Since(began) < grace {
		time.Sleep(10 * time.Millisecond)
	}
	if got := budget.Taken(); got != 100<<20 {
		t.Errorf("while they stall %d MiB are counted, want one client's half, 100", got>>20)
	}
	conn := dial(t, url, "127.0.0.3")
	upload(t, conn, 1<<20, strings.Repeat("x", 1<<20))
	if status := answer(conn); status != http.StatusOK || time.Since(began) > grace {
		t.Errorf("another client got %d after %s", status, time.Since(began))
	}
	for range stalled {
		<-ended
	}
	if refused.Load() != stalled-4 || cut.Load() != 4 {
		t.Errorf("%d were refused and %d cut off, want %d and 4", refused.Load(), cut.Load(), stalled-4)
	}
	if budget.Taken() != 0 {
		t.Errorf("%d bytes are still counted", budget.Taken())
	}
}

// TestMuchAndThenNothing: who has sent much fast has not earned the time to hold it.
func TestMuchAndThenNothing(t *testing.T) {
	t.Parallel()
	url, _ := running(t, taking(admission.NewBudget(100<<20)))
	for name, then := range map[string]func(net.Conn){"nothing": func(net.Conn) {}, "a trickle": trickle} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, url, "127.0.0.1")
			began := time.Now()
			upload(t, conn, 21<<20, strings.Repeat("x", 20<<20))
			go then(conn)
			if status := answer(conn); status != http.StatusRequestTimeout {
				t.Errorf("got %d after %s", status, time.Since(began))
			}
		})
	}
}

func trickle(conn net.Conn) {
	for {
		if _, err := conn.Write([]byte("x")); err != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// TestBodyThatNobodyReads: the server reads what a handler leaves, to reach the next request; that has an end too.
func TestBodyThatNobodyReads(t *testing.T) {
	t.Parallel()
	url, _ := running(t, &Service{})
	conn := dial(t, url, "127.0.0.1")
	_, _ = io.WriteString(conn, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nx")
	_ = conn.SetReadDeadline(time.Now().Add(3 * grace))
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection is not closed: %v", err)
	}
}

// TestSlowHeaders: a request whose head does not end is no request.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	url, _ := running(t, &Service{})
	conn := dial(t, url, "127.0.0.1")
	_, _ = io.WriteString(conn, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n")
	go trickle(conn)
	_ = conn.SetReadDeadline(time.Now().Add(3 * grace))
	if _, err := io.Copy(io.Discard, conn); isTimeout(err) {
		t.Error("the connection is not closed")
	}
	large := dial(t, url, "127.0.0.1")
	_, _ = fmt.Fprintf(large, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	if status := answer(large); status == http.StatusOK {
		t.Error("64 KiB of headers are taken")
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return err != nil && errors.As(err, &timeout) && timeout.Timeout()
}

// TestAnswerThatNobodyTakes: who asks for much and reads nothing does not hold it for ever.
func TestAnswerThatNobodyTakes(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	url, _ := running(t, &Service{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(bytes.Repeat([]byte("x"), 100<<10))
		for err == nil { // what the kernel keeps for the client has a bound
			_, err = w.Write(bytes.Repeat([]byte("x"), 100<<10))
		}
		failed <- err
	})})
	conn := dial(t, url, "127.0.0.1")
	_, _ = io.WriteString(conn, "GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	select {
	case err := <-failed:
		if !isTimeout(err) {
			t.Errorf("got %v", err)
		}
	case <-time.After(6 * grace):
		t.Error("the answer is still being written")
	}
}

// TestLongWorkIsNotCutOff: the deadlines are for the client's part; between body and answer there is none.
func TestLongWorkIsNotCutOff(t *testing.T) {
	t.Parallel()
	url, _ := running(t, &Service{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		select {
		case <-time.After(grace + time.Second):
			JSON(w, http.StatusOK, "done")
		case <-r.Context().Done():
			JSON(w, http.StatusInternalServerError, context.Cause(r.Context()).Error())
		}
	})})
	for range 2 { // the second on the same connection
		response, err := http.Post(url+"/long", "text/plain", strings.NewReader("work"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("got %d %s", response.StatusCode, body)
		}
	}
}

// TestConnectionsMakeRoom: idle connections of one client cost it its own place, never another's, and a request
// finds one.
func TestConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	url, _ := running(t, &Service{})
	first := dial(t, url, "127.0.0.2")
	for range mostConnections {
		dial(t, url, "127.0.0.2")
	}
	_ = first.SetReadDeadline(time.Now().Add(grace / 2)) // before its head is too late
	if _, err := first.Read(make([]byte, 1)); isTimeout(err) {
		t.Error("the oldest connection is still open")
	}
	for _, from := range []string{"127.0.0.2", "127.0.0.3"} {
		conn := dial(t, url, from)
		_, _ = io.WriteString(conn, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		if status := answer(conn); status != http.StatusOK {
			t.Errorf("from %s: got %d", from, status)
		}
	}
}

func TestConnectionsAreCounted(t *testing.T) {
	c := newConnections(8)
	conns := make([]net.Conn, 12)
	for n := range conns {
		conns[n] = fakeConn{from: "192.0.2.1", n: n}
	}
	for n, conn := range conns[:4] {
		if got := c.count(conn, http.StateNew); got != nil {
			t.Fatalf("%d must go for %d", got.(fakeConn).n, n)
		}
	}
	c.count(conns[0], http.StateActive)
	if got := c.count(conns[4], http.StateNew); got != conns[1] {
		t.Errorf("%v goes, want the oldest that waits", got)
	}
	for _, conn := range conns[2:5] {
		c.count(conn, http.StateActive)
	}
	if got := c.count(conns[5], http.StateNew); got != conns[5] {
		t.Errorf("%v goes, want the newcomer where none waits", got)
	}
	c.count(conns[5], http.StateClosed)
	c.count(conns[0], http.StateIdle)
	if got := c.count(conns[6], http.StateNew); got != conns[0] {
		t.Errorf("%v goes, want the idle one", got)
	}
	if got := c.count(fakeConn{from: "192.0.2.2", n: 50}, http.StateNew); got != nil {
		t.Errorf("%v goes for another client, which has room", got)
	}
	for _, conn := range append(conns, fakeConn{from: "192.0.2.2", n: 50}) {
		c.count(conn, http.StateClosed)
	}
	if len(c.open) != 0 || len(c.clients) != 0 {
		t.Errorf("%d connections and %d clients are left", len(c.open), len(c.clients))
	}
}

type fakeConn struct {
	net.Conn
	from string
	n    int
}

func (c fakeConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(c.from), Port: 1000 + c.n}
}

// TestHealthIsNotAskedForEachTime: the agent's health asks four services.
func TestHealthIsNotAskedForEachTime(t *testing.T) {
	var asked atomic.Int32
	url, _ := running(t, &Service{Check: func(context.Context) (map[string]any, error) {
		asked.Add(1)
		return nil, nil
	}})
	began := time.Now()
	for range 200 {
		if err := Probe(t.Context(), url+"/health"); err != nil {
			t.Fatal(err)
		}
	}
	if most := int32(time.Since(began)/healthLife) + 1; asked.Load() > most {
		t.Errorf("200 questions became %d, want at most %d", asked.Load(), most)
	}
}

// TestFloodsAreCountedNotLogged: a line for each request would push all else out of the log.
func TestFloodsAreCountedNotLogged(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	handler := routes("test", &Service{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/good" {
			JSON(w, http.StatusOK, "in")
			return
		}
		Refuse(w, http.StatusUnauthorized, "unauthorized", "no")
	})})
	for path, most := range map[string]int{"/good": 150, "/bad": 20} {
		log.Reset()
		for range 5000 {
			request := httptest.NewRequest(http.MethodGet, path, nil)
			request.Host = "localhost"
			handler.ServeHTTP(httptest.NewRecorder(), request)
		}
		if lines := strings.Count(log.String(), "\n"); lines == 0 || lines > most {
			t.Errorf("5000 requests for %s made %d lines, want at most %d", path, lines, most)
		}
	}
}
