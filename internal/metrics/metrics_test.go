package metrics

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/golden"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/sampler"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/state"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

const openMetrics = "application/openmetrics-text;version=1.0.0"

// fixed is an observer whose snapshot stands still.
type fixed monitor.Snapshot

func (f fixed) Latest() (monitor.Snapshot, bool) { return monitor.Snapshot(f), !f.Time.IsZero() }

func (f fixed) Follow() (<-chan monitor.Snapshot, func()) {
	c := make(chan monitor.Snapshot, 1)
	c <- monitor.Snapshot(f)
	return c, func() {}
}

// full is a snapshot in which everything has a value, each another one.
func full() monitor.Snapshot {
	redis := monitor.Replica{
		Service: "redis", Container: "shop-redis-1", ID: strings.Repeat("a1", 32), Image: "redis:7", State: "running",
		Health: "healthy", ResponseMS: 12.5, Checked: noon.Add(-time.Second), CPULimit: 0.5, MemoryLimit: 64 << 20,
		Restarts: 3, OOMKills: 2, Started: noon.Add(-time.Hour), Expected: true, Written: 77,
		Answer: monitor.Answer{Of: "tcp://127.0.0.1:6379", At: noon.Add(-2 * time.Second), MS: 0.4},
		Log:    monitor.LogErrors{Total: 9},
		Counters: sampler.Counters{
			Read: noon, CPUSeconds: 1.5, CPUUserSeconds: 1, CPUSystemSeconds: 0.5, Periods: 100, ThrottledPeriods: 7,
			ThrottledSeconds: 0.25, MemoryUsage: 1001, MemoryWorkingSet: 1002, MemoryUnreclaimable: 1003,
			MemoryAnonymous: 1004, MemoryCache: 1005, MemorySwap: 1006, MemoryMax: 1007, NetworkReceived: 2001,
			NetworkSent: 2002, BlockRead: 2003, BlockWritten: 2004, Processes: 5,
			Pressure: &sampler.Pressures{
				CPU:    sampler.Pressure{WaitingSeconds: 0.1, StalledSeconds: 0.2},
				Memory: sampler.Pressure{WaitingSeconds: 0.3, StalledSeconds: 0.4},
				IO:     sampler.Pressure{WaitingSeconds: 0.5, StalledSeconds: 0.6},
			},
		},
	}
	ended := monitor.Replica{
		Service: "web", Container: "shop-web-1", ID: strings.Repeat("b2", 32), Image: "web", State: "exited",
		OOMKills: 1, Expected: true,
	}
	return monitor.Snapshot{
		Time: noon, Project: "shop", CPUs: 8, Memory: 16 << 30,
		Services: []monitor.Replica{
			redis, ended,
			{Service: "worker", State: monitor.StateMissing, Expected: true},
			{Service: "old", ID: strings.Repeat("c3", 32), State: monitor.StateGone},
		},
		Disk: monitor.Disk{
			Images: monitor.DiskUse{Size: 30, Reclaimable: 3}, Containers: monitor.DiskUse{Size: 31, Reclaimable: 4},
			Volumes:    monitor.DiskUse{Size: 32, Reclaimable: 5},
			BuildCache: monitor.DiskUse{Size: 33, Reclaimable: 6},
			Space:      &diskspace.Space{Free: 40, Total: 400},
		},
		Findings: []finding.Finding{
			finding.Warn("memory.killed", "", "web was killed").Of("web"),
			finding.Warn("memory.killed", "", "web was killed again").Of("web"),
			finding.Warn("disk.low", "", "the disk is full"),
		},
	}
}

// printed is what a scrape has, without what this process is and costs.
func printed(t *testing.T, format expfmt.Format, s monitor.Snapshot) string {
	t.Helper()
	e := New(fixed(s), time.Second)
	e.counted.add(s)
	f := families{}
	f.snapshot(s, e.counted)
	var b bytes.Buffer
	if err := encode(&b, format, f.sorted()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestScrape(t *testing.T) {
	t.Setenv(state.Variable, t.TempDir())
	dir, err := snapshots.Dir("shop")
	err = errors.Join(err, snapshots.Record{Last: noon}.Keep(dir), snapshots.Drill{Last: noon}.Keep(dir))
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "scrape.txt", printed(t, expfmt.NewFormat(expfmt.TypeTextPlain), full()))
	golden.Check(t, "openmetrics.txt", printed(t, expfmt.NewFormat(expfmt.TypeOpenMetrics), full()))
}

// promtool check metrics is this linter.
func TestMetricsKeepPrometheusRules(t *testing.T) {
	now := full()
	now.Time = time.Now()
	for _, accept := range []string{"", openMetrics} {
		_, body := scrape(t, New(fixed(now), time.Second), accept)
		if accept != "" { // the linter reads the older format alone; the counters' types have no _total here
			for _, line := range strings.Split(body, "\n") {
				if name, ok := strings.CutPrefix(line, "# TYPE "); ok && strings.HasSuffix(name, "_total counter") {
					t.Errorf("OpenMetrics has %q", line)
				}
			}
			if !strings.HasSuffix(body, "\n# EOF\n") {
				t.Error("OpenMetrics does not end with # EOF")
			}
			continue
		}
		problems, err := promlint.New(strings.NewReader(body)).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(New(fixed(now), time.Second).gather(now.Time)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v", problems, err)
	}
}

// scrape asks as Prometheus does.
func scrape(t testing.TB, e http.Handler, accept string) (*http.Response, string) {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	recorder := httptest.NewRecorder()
	e.ServeHTTP(recorder, request)
	response := recorder.Result()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", response.StatusCode, err, body)
	}
	return response, string(body)
}

// parsed reads a scrape back.
func parsed(t *testing.T, body string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFormatIsNegotiated(t *testing.T) {
	now := full()
	now.Time = time.Now()
	e := New(fixed(now), time.Second)
	for accept, want := range map[string]string{
		"":                         "text/plain; version=0.0.4",
		"*/*":                      "text/plain; version=0.0.4",
		openMetrics:                "application/openmetrics-text; version=1.0.0",
		openMetrics + ";q=0.5,*/*": "application/openmetrics-text; version=1.0.0",
	} {
		response, _ := scrape(t, e, accept)
		if got := response.Header.Get("Content-Type"); !strings.HasPrefix(got, want) {
			t.Errorf("Accept %q: %q, want %q", accept, got, want)
		}
	}
	post := httptest.NewRecorder()
	e.ServeHTTP(post, httptest.NewRequest(http.MethodPost, "/metrics", nil))
	if post.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST gives %d", post.Code)
	}
}

// Labels are from outside: whatever they hold, the scrape is read back with as many series as before.
func TestHostileLabels(t *testing.T) {
	for _, name := range []string{
		"a\nb{x=\"1\"} 2", `back\slash "quoted"`, "\xff\xfe", strings.Repeat("é", 4000), "\x00", "# EOF",
	} {
		s := full()
		s.Time = time.Now()
		s.Services[0].Service, s.Services[0].Container, s.Services[0].Image = name, name, name
		s.Findings[0].Subjects = []string{name}
		for _, accept := range []string{"", openMetrics} {
			_, body := scrape(t, New(fixed(s), time.Second), accept)
			if accept != "" {
				if strings.Count(body, "\n# EOF") != 1 {
					t.Errorf("%q ends OpenMetrics early", name)
				}
				continue
			}
			family := parsed(t, body)["container_memory_cache"]
			if len(family.GetMetric()) != 1 {
				t.Fatalf("%q: %v", name, family)
			}
			for _, l := range family.GetMetric()[0].GetLabel() {
				if len(l.GetValue()) > maxLabel {
					t.Errorf("a label has %d bytes", len(l.GetValue()))
				}
			}
		}
	}
}

func TestStaleContainersDisappear(t *testing.T) {
	s := full()
	e := New(fixed(s), time.Second)
	names := func(after time.Duration) (out []string) {
		for _, f := range e.gather(noon.Add(after)) {
			out = append(out, f.GetName())
		}
		return out
	}
	if got := names(leastFresh); !slices.Contains(got, "container_last_seen") {
		t.Errorf("a fresh snapshot gives %q", got)
	}
	if got := names(leastFresh + time.Second); len(got) == 0 || slices.ContainsFunc(got, func(name string) bool {
		return strings.HasPrefix(name, "container_") || strings.HasPrefix(name, "compose_mage_service")
	}) {
		t.Errorf("a stale snapshot gives %q", got)
	}
	slow := New(fixed(s), time.Minute)
	if len(slow.gather(noon.Add(2*time.Minute))) < 20 {
		t.Error("an observer that looks every minute is not waited for")
	}
	if len(New(fixed{}, time.Second).gather(noon)) == 0 {
		t.Error("before the first snapshot a scrape is empty")
	}
}

// While the engine is away the last rows stand in the snapshots, with an error each.
func TestContainersThatCannotBeLookedAt(t *testing.T) {
	s := full()
	s.Services[0].Error = "the engine is away"
	for _, f := range New(fixed(s), time.Second).gather(noon) {
		switch name := f.GetName(); name {
		case "container_last_seen":
			t.Errorf("it was seen: %v", f)
		case "compose_mage_service_up", "compose_mage_service_healthy":
			for _, m := range f.GetMetric() {
				if m.GetGauge().GetValue() != 0 {
					t.Errorf("%s: %v", name, m)
				}
			}
		}
	}
}

// No two series of a scrape have the same name and labels: Prometheus refuses such a scrape.
func TestSeriesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range New(fixed(full()), time.Second).gather(noon) {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += "\x00" + l.GetName() + "\x00" + l.GetValue()
			}
			if seen[key] {
				t.Errorf("%q is there twice", key)
			}
			seen[key] = true
		}
	}
	if len(seen) < 50 {
		t.Errorf("%d series", len(seen))
	}
}
