package sampler

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const id = "b5502db9ace9ee6d"

// machine lays the files of testdata/name.txtar out below a directory, which stands for a machine's root.
func machine(t *testing.T, name string) *Host {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, part := range strings.Split("\n"+string(text), "\n-- ")[1:] {
		file, content, _ := strings.Cut(part, " --\n")
		file = filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h, err := open(root)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestCountersOfEachLayout(t *testing.T) {
	for name, want := range map[string]struct {
		source string
		Counters
	}{
		"hybrid": {SourceHybrid, Counters{
			CPUSeconds: 0.317853745, CPUUserSeconds: 0.3, CPUSystemSeconds: 0.01,
			Periods: 10, ThrottledPeriods: 5, ThrottledSeconds: 0.240612345,
			MemoryUsage: 708608, MemoryWorkingSet: 708608 - 12288,
			MemoryUnreclaimable: 200704 + 8192 + 389120 + 4096, MemoryAnonymous: 200704, MemoryCache: 28672,
			MemorySwap: 16384, MemoryMax: 3825664, OOMKills: 3,
			NetworkReceived: 736, NetworkSent: 806, BlockRead: 5120, BlockWritten: 8192, Processes: 2,
		}},
		"v1": {SourceV1, Counters{
			CPUSeconds: 9, CPUUserSeconds: 7, CPUSystemSeconds: 1.9,
			MemoryUsage: 1000, MemoryWorkingSet: 1000, MemoryUnreclaimable: 300, MemoryAnonymous: 300, MemoryCache: 600,
			MemoryMax: 2000, NetworkReceived: 1736, NetworkSent: 2806, BlockRead: 10, BlockWritten: 20, Processes: 7,
		}},
		"v2": {SourceV2, Counters{
			CPUSeconds: 2.5, CPUUserSeconds: 2, CPUSystemSeconds: 0.5,
			Periods: 40, ThrottledPeriods: 10, ThrottledSeconds: 1.5,
			MemoryUsage: 50000000, MemoryWorkingSet: 41000000, MemoryUnreclaimable: 20000000 + 1000000 + 3000000 + 8192,
			MemoryAnonymous: 20000000, MemoryCache: 15000000, MemorySwap: 4096, MemoryMax: 60000000, OOMKills: 2,
			NetworkReceived: 1736, NetworkSent: 2806, BlockRead: 4196, BlockWritten: 8392, Processes: 12,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := machine(t, name).Find(4242, id, false)
			if g == nil {
				t.Fatal("the container was not found")
			}
			if g.Source() != want.source {
				t.Errorf("source %q", g.Source())
			}
			began := time.Now()
			got, err := g.Read()
			if err != nil {
				t.Fatal(err)
			}
			if got.Read.Before(began) || got.Read.After(time.Now()) {
				t.Errorf("read at %s", got.Read)
			}
			pressure := got.Pressure
			got.Read, got.Pressure = time.Time{}, nil
			if got != want.Counters {
				t.Errorf("got\n%+v, want\n%+v", got, want.Counters)
			}
			if (pressure == nil) != (name == "v1") {
				t.Errorf("pressure %+v", pressure)
			}
		})
	}
}

func TestPressure(t *testing.T) {
	got, err := machine(t, "v2").Find(4242, id, false).Read()
	if err != nil {
		t.Fatal(err)
	}
	want := Pressures{CPU: Pressure{1, 0.1, 1.5}, Memory: Pressure{2, 0.2, 2.5}, IO: Pressure{3, 0.3, 3.5}}
	if got.Pressure == nil || *got.Pressure != want {
		t.Errorf("got %+v", got.Pressure)
	}
}

func TestHostNetworkIsNotTheContainers(t *testing.T) {
	got, err := machine(t, "v2").Find(4242, id, true).Read()
	if err != nil || got.NetworkReceived != 0 || got.NetworkSent != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestKernelBefore5_18 has no sum of the kernel's memory.
func TestKernelBefore5_18(t *testing.T) {
	h := machine(t, "v2")
	g := h.Find(4242, id, false)
	file := filepath.Join(g.unified, "memory.stat")
	text, _ := os.ReadFile(file)
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "kernel 3000000\n", "", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	got, _ := g.Read()
	if want := int64(20000000 + 1000000 + 8192 + 65536 + 400000 + 1000 + 1900000); got.MemoryUnreclaimable != want {
		t.Errorf("got %d, want %d", got.MemoryUnreclaimable, want)
	}
}

func TestWhatIsNotThisMachines(t *testing.T) {
	h := machine(t, "hybrid")
	for name, g := range map[string]*Group{
		"another container's process": h.Find(4242, "0123456789abcdef", false),
		"no such process":             h.Find(4243, id, false),
		"no ID":                       h.Find(4242, "", false),
	} {
		if g != nil {
			t.Errorf("%s: %+v", name, g)
		}
	}
}

func TestAContainerThatEndsIsAnError(t *testing.T) {
	for _, name := range []string{"hybrid", "v1", "v2"} {
		h := machine(t, name)
		g := h.Find(4242, id, false)
		if err := os.RemoveAll(h.root); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Read(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestDir: in a container with its own view of cgroups the mount point is a cgroup below the root.
func TestDir(t *testing.T) {
	h := &Host{root: "/", mounts: []mount{
		{controllers: []string{"rw", "memory"}, root: "/docker/me", point: "/sys/fs/cgroup/memory"},
		{controllers: []string{"rw", "memory"}, root: "/", point: "/host/memory"},
		{unified: true, root: "/", point: "/sys/fs/cgroup"},
	}}
	for _, c := range []struct{ controller, cgroup, want string }{
		{"memory", "/docker/me", "/sys/fs/cgroup/memory"},
		{"memory", "/docker/me/child", "/sys/fs/cgroup/memory/child"},
		{"memory", "/docker/merry", "/host/memory/docker/merry"},
		{"cpu", "/docker/me", ""},
		{"", "/x", "/sys/fs/cgroup/x"},
	} {
		if got := h.dir(c.controller, c.cgroup); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.controller, c.cgroup, got, c.want)
		}
	}
}

func TestReadFileGrowsUpToALimit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	for size, ok := range map[int]bool{0: true, 8192: true, 100_000: true, largest - 1: true, largest: false} {
		if err := os.WriteFile(file, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := readFile(file, make([]byte, 0, 16))
		if (err == nil) != ok || ok && len(got) != size {
			t.Errorf("%d bytes: %d, %v", size, len(got), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"hybrid", "v1", "v2"} {
		text, err := os.ReadFile(filepath.Join("testdata", name+".txtar"))
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "-- ") {
			f.Add([]byte(part))
		}
	}
	f.Add([]byte("some avg10=NaN total=-1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_ = cgroupMounts(string(text))
		for _, m := range membership(string(text), id) {
			if !strings.Contains(m.path, id) || strings.Contains(m.path, "..") && m.path != filepath.Clean(m.path) {
				t.Errorf("path %q", m.path)
			}
		}
		p := pressure(text)
		for _, n := range []float64{p.WaitingSeconds, p.StalledSeconds, p.Waiting10} {
			if !(n >= 0) {
				t.Errorf("pressure %+v", p)
			}
		}
		var c Counters
		c.cpuV2(text)
		_, _ = network(text)
		_, _ = blockV1(text)
		if n := field(text, "oom_kill"); n < 0 || c.CPUSeconds < 0 {
			t.Errorf("%d kills, %+v", n, c)
		}
	})
}

// An engine in a process namespace of its own tells numbers that are others' here.
func TestAContainerOfAnEngineWithItsOwnProcessNumbers(t *testing.T) {
	h := machine(t, "hybrid")
	whole := strings.Repeat("0123456789abcdef", 4)
	line := "4:cpuacct,cpu:/docker/" + whole + "/init\n"
	for pid, text := range map[string]string{"900": line, "77": line, "5": "4:cpuacct,cpu:/\n"} {
		dir := filepath.Join(h.root, "proc", pid)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, pid := range map[string]int{"another's number": 5, "nobody's number": 6} {
		g := h.Find(pid, whole, false)
		if g == nil {
			t.Fatalf("%s: the container was not found", name)
		}
		if g.net != filepath.Join(h.root, "proc/77/net/dev") || !strings.HasSuffix(g.cpuacct, "/docker/"+whole) {
			t.Errorf("%s: network %q, CPU %q", name, g.net, g.cpuacct)
		}
	}
	if g := h.Find(5, strings.Repeat("f", 64), false); g != nil {
		t.Errorf("found %+v", g)
	}
	if err := os.RemoveAll(filepath.Join(h.root, "proc/77")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(scanAgain)
	if g := h.Find(5, whole, false); g == nil || g.net != filepath.Join(h.root, "proc/900/net/dev") {
		t.Errorf("after the first process has ended: %+v", g)
	}
}
