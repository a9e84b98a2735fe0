package alert

import (
	"encoding/json"
	"math"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/monitor"
)

// longVariable says how long the long test goes on, in real time: ALERTS_LONG=10m go test -run Real ./internal/alert
const longVariable = "ALERTS_LONG"

// lossy is a receiver that may be down: then nobody listens at its address.
type lossy struct {
	t       *testing.T
	address string
	server  *http.Server
	mutex   sync.Mutex
	got     []string
}

func (l *lossy) up() {
	l.t.Helper()
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	l.address = listener.Addr().String()
	l.server = &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e Event
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			l.t.Error(err)
		}
		l.mutex.Lock()
		defer l.mutex.Unlock()
		l.got = append(l.got, e.Finding+" "+e.Service+" "+e.Status)
	})}
	go func() { _ = l.server.Serve(listener) }()
}

// A memory that swings round the threshold of its finding, once in seven seconds, is told of once; and what happens
// while the receiver is down for a minute is told when it is there again.
func TestInRealTimeASwingIsToldOnceAndNothingIsLost(t *testing.T) {
	long, err := time.ParseDuration(os.Getenv(longVariable))
	if err != nil || long < 4*time.Minute {
		t.Skipf("%s names no time of four minutes or more", longVariable)
	}
	t.Setenv("COMPOSE_MAGE_STATE", t.TempDir())
	receiver := &lossy{t: t, address: "127.0.0.1:0"}
	receiver.up()
	a, snapshots, stop := run(t, to("http://"+receiver.address))
	a.least = leastPause
	defer stop()
	killed := map[string]time.Duration{"first": 130 * time.Second, "second": 160 * time.Second}
	down, crossings, above := false, 0, false
	began := time.Now()
	for tick := time.NewTicker(time.Second); time.Since(began) < long; <-tick.C {
		since := time.Since(began)
		switch isDown := since > 2*time.Minute && since < 3*time.Minute; {
		case isDown && !down:
			_ = receiver.server.Close()
		case !isDown && down:
			receiver.up()
		}
		down = since > 2*time.Minute && since < 3*time.Minute
		percent := 90 + 4*math.Sin(2*math.Pi*since.Seconds()/7)
		if above != (percent >= 90) {
			above, crossings = !above, crossings+1
		}
		s := monitor.Snapshot{Time: time.Now(), Project: "shop"}
		row := func(service string) *monitor.Replica {
			s.Services = append(s.Services, monitor.Replica{
				Service: service, Container: service, ID: service, State: "running", MemoryLimit: 1 << 30,
			})
			return &s.Services[len(s.Services)-1]
		}
		for service, at := range killed {
			if r := row(service); since > at {
				r.OOMKills = 1
			}
		}
		web := row("web")
		web.MemoryPercent = percent - 5 // Nearly adds five points: the rule itself is asked
		s.Findings = s.Nearly()
		web.MemoryPercent = percent
		snapshots <- s
	}
	_ = receiver.server.Close()
	told := map[string]int{}
	for _, what := range receiver.got {
		told[what]++
	}
	if crossings < 20 || told["memory.high web firing"] != 1 || told["memory.high web resolved"] != 0 {
		t.Errorf("%d crossings of the threshold: told %v", crossings, told)
	}
	for service := range killed {
		if told["memory.killed "+service+" firing"] < 1 {
			t.Errorf("that %s was killed while the receiver was down is lost: %v", service, told)
		}
	}
	t.Logf("%s, %d crossings: told %v", long, crossings, told)
}
