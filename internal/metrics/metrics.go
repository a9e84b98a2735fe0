// Package metrics owns what Prometheus is told of a running stack: the last snapshot of an observer under the names
// that cAdvisor has for the same things, so that dashboards made for those find their series, and under
// compose_mage_… what only we know. A scrape asks the engine nothing.
package metrics

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/25eloquence/compose-mage/internal/monitor"
)

// Observer is what the metrics are drawn from; *monitor.Observer has it.
type Observer interface {
	Latest() (monitor.Snapshot, bool)
	Follow() (snapshots <-chan monitor.Snapshot, stop func())
}

// leastFresh is how old a snapshot may be before its containers count as gone, however often the observer looks.
const leastFresh = 30 * time.Second

// Exporter answers scrapes.
type Exporter struct {
	observer Observer
	fresh    time.Duration

	mutex   sync.Mutex
	counted counts
}

// New makes an exporter of an observer that takes a snapshot every so often. Run has it count.
func New(observer Observer, every time.Duration) *Exporter {
	return &Exporter{observer: observer, fresh: max(leastFresh, 3*every), counted: counts{}}
}

// Run counts what happens between two scrapes, such as health checks, until ctx ends.
func (e *Exporter) Run(ctx context.Context) {
	snapshots, stop := e.observer.Follow()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-snapshots:
			e.mutex.Lock()
			e.counted.add(s)
			e.mutex.Unlock()
		}
	}
}

// ServeHTTP answers a scrape in the text format, or in OpenMetrics or protobuf where the request prefers that.
func (e *Exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...)
	var body bytes.Buffer
	if err := encode(&body, format, e.gather(time.Now())); err != nil {
		http.Error(w, "writing the metrics failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", string(format))
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	_, _ = w.Write(body.Bytes())
}

// gather gives all families at the time now, by their names.
func (e *Exporter) gather(now time.Time) []*dto.MetricFamily {
	f := families{}
	f.ours(process())
	if s, ok := e.observer.Latest(); ok && now.Sub(s.Time) <= e.fresh {
		e.mutex.Lock()
		defer e.mutex.Unlock()
		f.snapshot(s, e.counted)
	}
	return f.sorted()
}

func encode(w io.Writer, format expfmt.Format, all []*dto.MetricFamily) error {
	encoder := expfmt.NewEncoder(w, format)
	for _, f := range all {
		if err := encoder.Encode(f); err != nil {
			return err
		}
	}
	if end, ok := encoder.(expfmt.Closer); ok { // OpenMetrics has a last line
		return end.Close()
	}
	return nil
}

// families are those of one scrape, by name.
type families map[string]*dto.MetricFamily

func (f families) sorted() []*dto.MetricFamily {
	out := make([]*dto.MetricFamily, 0, len(f))
	for _, family := range f {
		out = append(out, family)
	}
	slices.SortFunc(out, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return out
}

// family gives the family of a name, which all its metrics share.
func (f families) family(name, help string, kind dto.MetricType) *dto.MetricFamily {
	if f[name] == nil {
		f[name] = &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}
	}
	return f[name]
}

// gauge adds a value that goes up and down.
func (f families) gauge(name, help string, l labels, value float64) {
	family := f.family(name, help, dto.MetricType_GAUGE)
	family.Metric = append(family.Metric, &dto.Metric{Label: l, Gauge: &dto.Gauge{Value: &value}})
}

// counter adds a value that only grows; name ends in _total.
func (f families) counter(name, help string, l labels, value float64) {
	family := f.family(name, help, dto.MetricType_COUNTER)
	family.Metric = append(family.Metric, &dto.Metric{Label: l, Counter: &dto.Counter{Value: &value}})
}

// histogram adds how often which durations were seen.
func (f families) histogram(name, help string, l labels, h *durations) {
	family := f.family(name, help, dto.MetricType_HISTOGRAM)
	family.Metric = append(family.Metric, &dto.Metric{Label: l, Histogram: h.histogram()})
}
