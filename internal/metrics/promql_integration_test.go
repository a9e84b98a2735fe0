//go:build integration

package metrics

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/sources"
)

// pageOf is what a scrape of an exporter gave.
type pageOf struct {
	Time time.Time `json:"time"`
	Type string    `json:"type"`
	Body string    `json:"body"`
}

// value is what Prometheus' engine makes of an expression.
type value struct {
	Expression string   `json:"expression"`
	Series     int      `json:"series"`
	Value      string   `json:"value"`
	Missing    []string `json:"missing"`
}

// evaluate has Prometheus' own parsers and engine read the scrapes and evaluate the expressions at the last of them.
func evaluate(t *testing.T, scrapes []pageOf, expressions []string) []value {
	t.Helper()
	question, err := json.Marshal(map[string]any{"scrapes": scrapes, "expressions": expressions})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "-mod=readonly", ".")
	cmd.Dir = filepath.Join(sources.Root(t), "tools", "promql")
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	cmd.Stdin = bytes.NewReader(question)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	var values []value
	if err := json.Unmarshal(out, &values); err != nil || len(values) != len(expressions) {
		t.Fatalf("%v: %s", err, out)
	}
	return values
}

// dashboard gives the expressions of the panels of dockprom's dashboard of containers.
func dashboard(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/dockprom.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if _, expression, ok := strings.Cut(line, ": "); ok && !strings.HasPrefix(line, "#") {
			expressions = append(expressions, expression)
		}
	}
	if len(expressions) != 16 {
		t.Fatalf("%d expressions", len(expressions))
	}
	return expressions
}

// documented gives the expressions that docs/metrics.md recommends.
func documented(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(sources.Root(t), "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^ +(?:- )?expr: (.*)$").FindAllStringSubmatch(string(text), -1) {
		expressions = append(expressions, m[1])
	}
	if len(expressions) < 4 {
		t.Fatalf("docs/metrics.md has %d expressions", len(expressions))
	}
	return expressions
}

// nodeExporter is what node_exporter, which dockprom runs beside cAdvisor, tells of the machine; i is the scrape's
// number.
func nodeExporter(i int, at time.Time) pageOf {
	lines := []string{
		`node_cpu_seconds_total{cpu="0",mode="user"}`, `node_memory_MemTotal_bytes`, `node_memory_MemFree_bytes`,
		`node_memory_Buffers_bytes`, `node_memory_Cached_bytes`, `node_load1`, `node_disk_read_bytes_total`,
		`node_disk_written_bytes_total`, `node_disk_io_time_seconds_total`,
		`node_filesystem_size_bytes{fstype="aufs"}`, `node_filesystem_free_bytes{fstype="aufs"}`,
	}
	return pageOf{at, "text/plain; version=0.0.4", strings.Join(lines, " "+string(rune('1'+i))+"\n") + " 9\n"}
}

// Every panel of the dashboard, and every rule that the docs recommend, finds its series in scrapes of containers that
// run; Prometheus' parsers take both formats.
func TestIntegrationDashboardFindsItsSeries(t *testing.T) {
	e := enginetest.Connect(t)
	const project = "watch-metrics"
	enginetest.Image(t, e, project+":test", nil)
	enginetest.Container(t, e, project+"-busy-1", &container.Config{
		Image: project + ":test", Cmd: []string{"spin"}, Labels: enginetest.Labels(project, "busy", "False"),
		Healthcheck: &container.HealthConfig{
			Test: []string{"CMD", "/probe", "health", "5", "0"}, Interval: time.Second, Timeout: 5 * time.Second,
		},
	}, &container.HostConfig{Resources: container.Resources{NanoCPUs: 100_000_000, Memory: 64 << 20}}, true)
	model := &types.Project{Name: project, Services: types.Services{
		"busy": {Name: "busy"}, "absent": {Name: "absent"},
	}}
	observer := monitor.NewObserver(e, model, e.Machine(), time.Second)
	exporter := New(observer, time.Second)
	go exporter.Run(t.Context())
	go func() {
		if err := observer.Run(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	enginetest.Until(t, 30*time.Second, "a snapshot with a health check", func() bool {
		s, ok := observer.Latest()
		return ok && len(s.Services) == 2 && s.Services[1].Health == "healthy" && !s.Services[1].Counters.Read.IsZero()
	})
	server := httptest.NewServer(exporter)
	defer server.Close()
	for _, format := range []string{"text/plain", openMetrics} {
		var scrapes []pageOf
		for i := range 3 {
			if i > 0 {
				time.Sleep(2 * time.Second)
			}
			at := time.Now()
			scrapes = append(scrapes, get(t, server.URL, format, at), nodeExporter(i, at))
		}
		for _, v := range evaluate(t, scrapes, append(dashboard(t), documented(t)...)) {
			if v.Series == 0 && !strings.Contains(v.Expression, " > ") && !strings.Contains(v.Expression, " < ") ||
				strings.Contains(v.Value, "NaN") || len(v.Missing) > 0 {
				t.Errorf("%s: %s\n gives %d series %q; nothing is found of %q", format, v.Expression, v.Series, v.Value,
					v.Missing)
			}
		}
		values := evaluate(t, scrapes, []string{
			`rate(container_cpu_usage_seconds_total{name="watch-metrics-busy-1"}[1m]) > 0`,
			`compose_mage_service_up{service="busy"} == 1 and compose_mage_service_healthy{service="busy"} == 1`,
			`compose_mage_service_up{service="absent"} == 0 and compose_mage_service_expected{service="absent"} == 1`,
			`compose_mage_finding{service="absent",id="service.missing"} == 1`,
			`increase(compose_mage_service_health_check_duration_seconds_count[1m]) > 0`,
			`container_memory_usage_bytes{container_label_com_docker_compose_service="busy"} > 1e5`,
			`container_spec_memory_limit_bytes == 67108864 and container_spec_cpu_quota == 10000`,
		})
		for _, v := range values {
			if v.Series != 1 {
				t.Errorf("%s: %s does not hold: %q", format, v.Expression, v.Value)
			}
		}
	}
}

// get scrapes as Prometheus does.
func get(t *testing.T, address, format string, at time.Time) pageOf {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", format)
	began := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d bytes in %v", format, body.Len(), time.Since(began))
	return pageOf{at, response.Header.Get("Content-Type"), body.String()}
}
