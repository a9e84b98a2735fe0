package sampler

import (
	"bytes"
	"iter"
	"path"
	"strconv"
	"time"
)

const (
	largest    = 256 << 10 // bytes that are read of one of the kernel's files; memory.stat has some 2 KiB
	userHZ     = 100       // ticks a second in cpuacct.stat, on every architecture that Docker runs on
	promptRead = time.Millisecond
)

// reader reads the files of one cgroup after the other into the same buffer.
type reader struct {
	open openFiles
	buf  []byte
	c    Counters
}

// file gives the text of a file, nil where it is not there or can't be read.
func (r *reader) file(dir, name string) []byte {
	if dir == "" {
		return nil
	}
	text, err := r.open.read(path.Join(dir, name), r.buf)
	if err != nil {
		return nil
	}
	r.buf = text
	return text
}

// number reads a file that holds one number, 0 where it can't.
func (r *reader) number(dir, name string) int64 { return number(bytes.TrimSpace(r.file(dir, name))) }

// Read reads the counters now. The error is that of the CPU time's file, without which there is nothing to say: the
// container has ended. What else is not there stays 0.
func (g *Group) Read() (Counters, error) {
	r := reader{open: g.open, buf: make([]byte, 8<<10)}
	if err := g.readCPU(&r); err != nil {
		return Counters{}, err
	}
	if g.memory != "" {
		r.readMemoryV1(g.memory)
	} else {
		r.readMemoryV2(g.unified)
	}
	if g.blkio != "" {
		r.readBlockV1(g.blkio)
	} else {
		r.readBlockV2(g.unified)
	}
	pids := g.pids
	if pids == "" {
		pids = g.unified
	}
	r.c.Processes = r.number(pids, "pids.current")
	if g.net != "" {
		r.c.NetworkReceived, r.c.NetworkSent = network(r.file(g.net, ""))
	}
	r.c.Pressure = r.pressures(g.unified)
	return r.c, nil
}

// readCPU reads the CPU time and the moment of that. Where the reading took long, this process had to wait in mid
// reading, and it is repeated.
func (g *Group) readCPU(r *reader) error {
	name := path.Join(g.unified, "cpu.stat")
	if g.cpuacct != "" {
		name = path.Join(g.cpuacct, "cpuacct.usage")
	}
	for range 3 {
		began := time.Now()
		text, err := r.open.read(name, r.buf)
		took := time.Since(began)
		if err != nil {
			return err
		}
		r.buf, r.c.Read = text, began.Add(took/2)
		if g.cpuacct != "" {
			r.c.CPUSeconds = float64(number(bytes.TrimSpace(text))) / 1e9
		} else {
			r.c.cpuV2(text)
		}
		if took < promptRead {
			break
		}
	}
	if g.cpuacct == "" {
		return nil
	}
	for key, n := range fields(r.file(g.cpuacct, "cpuacct.stat")) {
		switch string(key) {
		case "user":
			r.c.CPUUserSeconds = float64(n) / userHZ
		case "system":
			r.c.CPUSystemSeconds = float64(n) / userHZ
		}
	}
	for key, n := range fields(r.file(g.cpu, "cpu.stat")) {
		switch string(key) {
		case "nr_periods":
			r.c.Periods = n
		case "nr_throttled":
			r.c.ThrottledPeriods = n
		case "throttled_time":
			r.c.ThrottledSeconds = float64(n) / 1e9
		}
	}
	return nil
}

// cpuV2 reads cgroup v2's cpu.stat, in microseconds.
func (c *Counters) cpuV2(text []byte) {
	for key, n := range fields(text) {
		switch string(key) {
		case "usage_usec":
			c.CPUSeconds = float64(n) / 1e6
		case "user_usec":
			c.CPUUserSeconds = float64(n) / 1e6
		case "system_usec":
			c.CPUSystemSeconds = float64(n) / 1e6
		case "nr_periods":
			c.Periods = n
		case "nr_throttled":
			c.ThrottledPeriods = n
		case "throttled_usec":
			c.ThrottledSeconds = float64(n) / 1e6
		}
	}
}

// readMemoryV1 reads the sums with the cgroups below, as total_ in memory.stat.
func (r *reader) readMemoryV1(dir string) {
	c := &r.c
	c.MemoryUsage = r.number(dir, "memory.usage_in_bytes")
	var inactive, shared int64
	for key, n := range fields(r.file(dir, "memory.stat")) {
		switch string(key) {
		case "total_rss":
			c.MemoryAnonymous = n
		case "total_cache":
			c.MemoryCache = n
		case "total_swap":
			c.MemorySwap = n
		case "total_shmem":
			shared = n
		case "total_inactive_file":
			inactive = n
		}
	}
	c.MemoryWorkingSet = workingSet(c.MemoryUsage, inactive)
	kernel := r.number(dir, "memory.kmem.usage_in_bytes") + r.number(dir, "memory.kmem.tcp.usage_in_bytes")
	c.MemoryUnreclaimable = c.MemoryAnonymous + shared + kernel
	c.MemoryMax = r.number(dir, "memory.max_usage_in_bytes")
	c.OOMKills = field(r.file(dir, "memory.oom_control"), "oom_kill")
}

func (r *reader) readMemoryV2(dir string) {
	c := &r.c
	c.MemoryUsage = r.number(dir, "memory.current")
	var inactive, shared, kernel, kernelParts, sockets int64
	for key, n := range fields(r.file(dir, "memory.stat")) {
		switch string(key) {
		case "anon":
			c.MemoryAnonymous = n
		case "file":
			c.MemoryCache = n
		case "shmem":
			shared = n
		case "sock":
			sockets = n
		case "kernel": // since Linux 5.18
			kernel = n
		case "kernel_stack", "pagetables", "percpu", "slab":
			kernelParts += n
		case "inactive_file":
			inactive = n
		}
	}
	c.MemoryWorkingSet = workingSet(c.MemoryUsage, inactive)
	if kernel == 0 {
		kernel = kernelParts
	}
	c.MemoryUnreclaimable = c.MemoryAnonymous + shared + kernel + sockets
	c.MemorySwap = r.number(dir, "memory.swap.current")
	c.MemoryMax = r.number(dir, "memory.peak") // since Linux 5.19
	c.OOMKills = field(r.file(dir, "memory.events"), "oom_kill")
}

// workingSet leaves the inactive file cache out of the usage, as docker stats does: the kernel gives it back when
// asked. Where that would be nothing or less, docker stats shows the usage.
func workingSet(usage, inactive int64) int64 {
	if inactive < usage {
		return usage - inactive
	}
	return usage
}

// readBlockV1 reads what was read and written on all devices: the throttling controller's count, which newer kernels
// keep only for cgroups with a limit of their own, else that of the BFQ scheduler.
func (r *reader) readBlockV1(dir string) {
	for _, name := range []string{
		"blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes",
		"blkio.bfq.io_service_bytes_recursive",
	} {
		if r.c.BlockRead, r.c.BlockWritten = blockV1(r.file(dir, name)); r.c.BlockRead+r.c.BlockWritten > 0 {
			return
		}
	}
}

// blockV1 sums lines such as "8:0 Read 4096".
func blockV1(text []byte) (read, written int64) {
	for line := range bytes.Lines(text) {
		words := bytes.Fields(line)
		if len(words) != 3 {
			continue
		}
		switch string(words[1]) {
		case "Read":
			read += number(words[2])
		case "Write":
			written += number(words[2])
		}
	}
	return read, written
}

// readBlockV2 reads lines such as "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0".
func (r *reader) readBlockV2(dir string) {
	for word := range bytes.FieldsSeq(r.file(dir, "io.stat")) {
		if n, ok := bytes.CutPrefix(word, []byte("rbytes=")); ok {
			r.c.BlockRead += number(n)
		} else if n, ok := bytes.CutPrefix(word, []byte("wbytes=")); ok {
			r.c.BlockWritten += number(n)
		}
	}
}

func (r *reader) pressures(dir string) *Pressures {
	p, found := Pressures{}, false
	for _, of := range []struct {
		name string
		into *Pressure
	}{{"cpu.pressure", &p.CPU}, {"memory.pressure", &p.Memory}, {"io.pressure", &p.IO}} {
		if text := r.file(dir, of.name); len(text) > 0 {
			*of.into, found = pressure(text), true
		}
	}
	if !found {
		return nil
	}
	return &p
}

// pressure reads lines such as "some avg10=0.12 avg60=0.20 avg300=0.05 total=868411", the total in microseconds.
func pressure(text []byte) Pressure {
	var p Pressure
	for line := range bytes.Lines(text) {
		some := bytes.HasPrefix(line, []byte("some "))
		for word := range bytes.FieldsSeq(line) {
			if n, ok := bytes.CutPrefix(word, []byte("total=")); ok {
				seconds := float64(number(n)) / 1e6
				if some {
					p.WaitingSeconds = seconds
				} else {
					p.StalledSeconds = seconds
				}
			} else if n, ok := bytes.CutPrefix(word, []byte("avg10=")); ok && some {
				percent, err := strconv.ParseFloat(string(n), 64)
				if err == nil && percent >= 0 && percent <= 100 { // no NaN either
					p.Waiting10 = percent
				}
			}
		}
	}
	return p
}

// network sums the devices of /proc/PID/net/dev but the loopback.
func network(text []byte) (received, sent int64) {
	for line := range bytes.Lines(text) {
		name, rest, ok := bytes.Cut(line, []byte(":"))
		words := bytes.Fields(rest)
		if !ok || len(words) < 9 || string(bytes.TrimSpace(name)) == "lo" {
			continue
		}
		received += number(words[0])
		sent += number(words[8])
	}
	return received, sent
}

// fields gives the lines "key number".
func fields(text []byte) iter.Seq2[[]byte, int64] {
	return func(yield func([]byte, int64) bool) {
		for line := range bytes.Lines(text) {
			key, value, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
			if ok && !yield(key, number(bytes.TrimSpace(value))) {
				return
			}
		}
	}
}

func field(text []byte, name string) int64 {
	for key, n := range fields(text) {
		if string(key) == name {
			return n
		}
	}
	return 0
}

// number is the number that text is, 0 where it is none or less than 0.
func number(text []byte) int64 {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0
	}
	return max(0, n)
}
