package main

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ args, wrong string }{
		{"", ""},
		{"-arms=C,before -images=HEAD", ""},
		{"-arms=A,E", `"E"`},
		{"-arms=A,A", `"A"`},
		{"-arms=", "none"},
		{"-arms=A,before", "-images"},
		{"-images=HEAD", "-images"},
		{"-rounds=0", "-rounds=0"},
		{"-idle=1s", "5s"},
		{"-arms=A,D", "-overlay"},
		{"-arms=A,D -overlay=x.yaml", ""},
	} {
		_, err := parse(strings.Fields(c.args))
		if (c.wrong == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%q: got %v, want %q", c.args, err, c.wrong)
		}
	}
}

func TestGroupIn(t *testing.T) {
	const hybrid = "12:memory:/docker/0a1b\n5:cpu,cpuacct:/docker/0a1b\n0::/docker/0a1b\n"
	for _, c := range []struct {
		text    string
		version int
		want    group
	}{
		{hybrid, 1, group{"/sys/fs/cgroup/memory/docker/0a1b", "/sys/fs/cgroup/cpuacct/docker/0a1b"}},
		{
			"0::/system.slice/docker-0a1b.scope\n", 2,
			group{"/sys/fs/cgroup/system.slice/docker-0a1b.scope", "/sys/fs/cgroup/system.slice/docker-0a1b.scope"},
		},
		{"", 1, group{}},
		{"0::/x\n", 1, group{}},
	} {
		got, err := groupIn(c.text, c.version)
		if got != c.want || (err == nil) != (c.want != group{}) {
			t.Errorf("%q, version %d: got %v, %v", c.text, c.version, got, err)
		}
	}
}

// TestReadUnified: file pages count as cache and, where active, as working set, but never as unreclaimable.
func TestReadUnified(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"memory.stat": "anon 100\nfile 1000\nkernel 30\nkernel_stack 7\nshmem 200\nsock 4\nslab 9\ninactive_file " +
			"600\n",
		"memory.current": "1134\n", "cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := group{folder, folder}.readUnified()
	if want := (usage{unreclaimable: 334, working: 534, cache: 800, cpu: 2.5}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestSummarise(t *testing.T) {
	began := time.Unix(1000, 0)
	at := func(seconds, mebibytes, cpu float64) sample {
		return sample{
			at: began.Add(time.Duration(seconds * float64(time.Second))), proportional: 2 * mebibytes * mib,
			all: usage{unreclaimable: mebibytes * mib, cpu: cpu}, unreclaimed: map[string]float64{"a": mebibytes * mib},
		}
	}
	got := summarise([]sample{
		at(0, 10, 1), at(1, 30, 2), at(2, 20, 4), // load
		at(3, 99, 4), // just after it
		at(9, 12, 4), at(10, 14, 4),
	},
		[]spoken{
			{Ratio: 0.96, Seconds: map[string]float64{"x": 1, "y": 2}},
			{Ratio: 0.9, Seconds: map[string]float64{"x": 5}},
		},
		began.Add(2*time.Second), 10*time.Second)
	for name, pair := range map[string][2]float64{
		"peak": {got.peak, 30}, "p95": {got.p95, 20}, "idle": {got.idle, 13}, "MiB·s a conversation": {got.perTalk, 25},
		"share": {got.sharePeak, 60}, "share when idle": {got.shareIdle, 26}, "ratio": {got.ratio, 0.9},
		"talk": {got.talk, 4},
		"cpu":  {got.cpu, 3}, "the service's peak": {got.servicePeak["a"], 30}, "when idle": {got.serviceIdle["a"], 13},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-9 {
			t.Errorf("%s: got %v, want %v", name, pair[0], pair[1])
		}
	}
}

func TestStrip(t *testing.T) {
	value := func(s string) *string { return &s }
	whole := func() *types.Project {
		s := types.ServiceConfig{Name: "go"}
		s.MemLimit, s.CPUS = 5, 2
		s.Environment = types.MappingWithEquals{"GOMEMLIMIT": value("9MiB"), "ADDRESS": value("x")}
		s.Deploy = &types.DeployConfig{Resources: types.Resources{
			Limits: &types.Resource{MemoryBytes: 7}, Reservations: &types.Resource{MemoryBytes: 3},
		}}
		return &types.Project{Services: types.Services{"go": s}}
	}
	for arm, want := range map[string]struct {
		variables []string
		limits    bool
	}{
		"A": {[]string{"ADDRESS"}, false},
		"B": {[]string{"ADDRESS"}, true},
		"C": {[]string{"ADDRESS", "GOMEMLIMIT"}, true},
	} {
		project := whole()
		got, err := strip(project, arm, map[string][]string{"go": {"GOMEMLIMIT"}})
		if err != nil {
			t.Fatal(err)
		}
		s := got.Services["go"]
		if variables := slices.Sorted(maps.Keys(s.Environment)); !slices.Equal(variables, want.variables) {
			t.Errorf("%s has variables %v, want %v", arm, variables, want.variables)
		}
		if limits := s.Deploy != nil || s.MemLimit != 0 || s.CPUS != 0; limits != want.limits {
			t.Errorf("%s has limits: %v, want %v", arm, limits, want.limits)
		}
		if len(project.Services["go"].Environment) != 2 {
			t.Errorf("arm %s changed the other arms' project", arm)
		}
	}
}

func TestReport(t *testing.T) {
	round := func(a, c float64) map[string]figuresOfRun {
		run := func(n float64) figuresOfRun {
			return figuresOfRun{
				peak: n, ratio: 0.964, servicePeak: map[string]float64{"redis": n / 10},
				serviceIdle: map[string]float64{},
			}
		}
		return map[string]figuresOfRun{"A": run(a), "C": run(c)}
	}
	text := report{
		config: config{arms: []string{"A", "C"}, conversations: 4, atOnce: 2, idle: 20 * time.Second},
		rounds: []map[string]figuresOfRun{round(100, 80), round(200, 150), round(100, 81)}, facts: "an engine",
	}.markdown()
	for _, want := range []string{
		"3 rounds", "| U, peak under load, MiB | 100.00 (100.00–200.00) | 81.00 (80.00–150.00) | 0.800 (0.750–0.810) |",
		"| redis | 10.0 / 0.0 | 8.1 / 0.0 |", "| U, mean when idle, MiB | 0.00 (0.00–0.00) | 0.00 (0.00–0.00) | – |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}
