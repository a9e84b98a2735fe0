package history

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// load makes figures of a service as they look: noise that does not compress away, hours of work and hours of rest, a
// memory that wanders by pages and is collected, checks every ten seconds.
type load struct {
	random         *rand.Rand
	name           string
	cores          float64
	memory, heap   float64
	check, answer  float64
	restarts, ooms float64
	busy           bool
}

func newLoad(n int) *load {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	return &load{
		random: random, name: fmt.Sprintf("service-%d", n), cores: 0.3 + random.Float64()*2,
		memory: 8e6 + 2e8*random.Float64()*random.Float64(), heap: 5e6, check: 40,
	}
}

// noise is about 1, and off by the share in two of three cases.
func (l *load) noise(share float64) float64 { return math.Exp(l.random.NormFloat64() * share) }

func (l *load) values(second int) []Value {
	if l.random.IntN(600) == 0 {
		l.busy = !l.busy
	}
	work := 0.01
	if l.busy {
		work = 0.6
	}
	l.heap += 2e5 * work * l.noise(0.5)
	if l.heap > 2e7 {
		l.heap = 5e6 * l.noise(0.1)
	}
	l.memory = max(4e6, l.memory+l.random.NormFloat64()*40e3)
	if second%10 < 5 {
		l.check, l.answer = 40*l.noise(0.3), 3*l.noise(0.4)
	}
	if l.random.IntN(50_000) == 0 {
		l.restarts++
	}
	some := func(share, v float64) float64 {
		if l.random.Float64() < share {
			return v
		}
		return 0
	}
	page := func(v float64) float64 { return math.Floor(v/4096) * 4096 }
	v := func(metric string, v float64) Value { return Value{l.name, metric, v} }
	return []Value{
		v(CPUPercent, 100*l.cores*work*l.noise(0.25)), v(CPUThrottled, some(work, 20*l.noise(0.5))),
		v(MemoryWorkingSet, page(l.memory+l.heap)), v(MemoryUnreclaimable, page(l.heap*1.3+1e6)),
		v(PressureCPU, math.Round(some(0.2+work/2, 200*l.noise(0.8)))/100),
		v(PressureMemory, 0), v(PressureIO, math.Round(some(0.05, 50*l.noise(0.8)))/100),
		v(NetworkReceived, 900*l.noise(0.4)+1e5*work*l.noise(0.3)),
		v(NetworkSent, 700*l.noise(0.4)+8e4*work*l.noise(0.3)),
		v(BlockRead, page(some(0.01, 1e5*l.noise(1)))), v(BlockWritten, page(some(0.1+work/4, 4e4*l.noise(0.8)))),
		v(HealthCheckMS, math.Round(l.check*1000)/1000), v(ResponseMS, math.Round(l.answer*1000)/1000),
		v(LogErrors, some(0.02, float64(1+l.random.IntN(5)))),
		v(Restarts, l.restarts), v(OOMKills, l.ooms), v(Healthy, 1-some(0.001, 1)),
		v(UpSeconds, float64(second)),
	}
}

// TestSevenDaysOfSixServicesFit records eight days with a clock of its own: what is on the disk then is at most 3 MB.
// HISTORY_SERVICES and HISTORY_EVERY (seconds) are for measuring others.
func TestSevenDaysOfSixServicesFit(t *testing.T) {
	services := number(t, "HISTORY_SERVICES", 6)
	every := number(t, "HISTORY_EVERY", 5)
	dir := memoryDir(t)
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	loads := make([]*load, services)
	for i := range loads {
		loads[i] = newLoad(i)
	}
	for second := 0; second < number(t, "HISTORY_DAYS", 8)*24*3600; second += every {
		values := []Value{{"", DiskFree, 1e11 - 1e4*float64(second)}}
		for _, l := range loads {
			values = append(values, l.values(second)...)
		}
		if err := s.Add(epoch.Add(time.Duration(second)*time.Second), values); err != nil {
			t.Fatal(err)
		}
	}
	sizes := map[string]int64{}
	files := map[string]int{}
	var total int64
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
		sizes[filepath.Ext(e.Name())] += info.Size()
		files[filepath.Ext(e.Name())]++
	}
	t.Logf("%d services, %d bytes: %v in %v files", services, total, sizes, files)
	if services == 6 && total > 3e6 {
		t.Errorf("%d bytes", total)
	}
	first, last, err := s.Span()
	if kept := last.Sub(first); err != nil || kept < Kept || kept > Kept+7*time.Hour {
		t.Errorf("%s is kept: %v", kept, err)
	}
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(variable), strconv.Itoa(otherwise)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// memoryDir is a directory where waiting for the disk takes no time, if there is one.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "history")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
