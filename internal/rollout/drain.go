package rollout

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/wait"
)

// A container is idle when nobody is connected to it and it has sent nothing for a second: whoever had just found
// it in DNS has connected by then. Where connections can't be seen (the engine runs elsewhere), silence is all
// there is to go by.
const (
	idleFor    = time.Second
	drainCheck = 200 * time.Millisecond
)

// drain waits until the container is idle, at most for limit, or lastCalls longer than ctx.
func (r *Rollout) drain(ctx context.Context, c container.Replica, limit time.Duration) {
	ctx, cancel := outliving(ctx, lastCalls)
	defer cancel()
	ctx, cancelLimit := context.WithTimeout(ctx, limit)
	defer cancelLimit()
	last, since := uint64(0), time.Now()
	for {
		sent, err := r.sent(ctx, c.ID)
		if err != nil {
			return // it has ended, or the time is over
		}
		if sent != last || r.Engine.Local() && connected(c) {
			last, since = sent, time.Now()
		}
		if time.Since(since) >= idleFor || wait.For(ctx, drainCheck) != nil {
			return
		}
	}
}

// sent is the number of packets that the container has sent over all its interfaces.
func (r *Rollout) sent(ctx context.Context, id string) (uint64, error) {
	got, err := r.Engine.ContainerStats(ctx, id, client.ContainerStatsOptions{})
	if err != nil {
		return 0, fmt.Errorf("reading stats: %w", err)
	}
	defer got.Body.Close()
	var stats moby.StatsResponse
	if err := engine.StatsLimit.Decode(got.Body, &stats); err != nil {
		return 0, err
	}
	var n uint64
	for _, i := range stats.Networks {
		n += i.TxPackets
	}
	return n, nil
}

// connected says whether the kernel knows of a connection to the container; false also where it can't be asked.
func connected(c container.Replica) bool {
	return connectedIn(fmt.Sprintf("/proc/%d", c.State.Pid), c.ID)
}

// connectedIn is connected by what the kernel has of a process in dir, which has to be one of the container with
// that ID: an engine in a PID namespace of its own counts processes otherwise.
func connectedIn(dir, id string) bool {
	if groups, err := os.ReadFile(dir + "/cgroup"); err != nil || !strings.Contains(string(groups), id) {
		return false
	}
	for _, table := range []string{"/net/tcp", "/net/tcp6"} {
		if text, err := os.ReadFile(dir + table); err == nil && hasConnection(string(text)) {
			return true
		}
	}
	return false
}

// States of a socket in /proc/net/tcp (proc_pid_net(5), include/net/tcp_states.h).
const (
	established = "01"
	listening   = "0A"
)

// hasConnection says whether a table of /proc/net/tcp has a connection from elsewhere to a port on which somebody
// listens.
func hasConnection(table string) bool {
	listens := map[string]bool{}
	var ports, from []string
	for lines := bufio.NewScanner(strings.NewReader(table)); lines.Scan(); {
		f := strings.Fields(lines.Text()) // number, local address:port, remote address:port, state, …
		if len(f) < 4 {
			continue
		}
		_, port, _ := strings.Cut(f[1], ":")
		switch f[3] {
		case listening:
			listens[port] = true
		case established:
			remote, _, _ := strings.Cut(f[2], ":")
			ports, from = append(ports, port), append(from, remote)
		}
	}
	for i, port := range ports {
		if listens[port] && !loopback(from[i]) {
			return true
		}
	}
	return false
}

// loopback says whether the address is the machine's own. The kernel prints it in words of 32 bits, each as the
// machine stores it.
func loopback(text string) bool {
	var raw []byte
	for ; len(text) >= 8; text = text[8:] {
		word, err := strconv.ParseUint(text[:8], 16, 32)
		if err != nil {
			return false
		}
		raw = binary.NativeEndian.AppendUint32(raw, uint32(word))
	}
	address, ok := netip.AddrFromSlice(raw)
	return ok && address.Unmap().IsLoopback()
}
