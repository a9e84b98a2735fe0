package rollout

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAccepted(t *testing.T) {
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	const listens = "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001 0 1 1\n"
	for name, c := range map[string]struct {
		table string
		want  bool
	}{
		"nobody":      {head + listens, false},
		"no table":    {"what?\n", false},
		"a torn line": {head + listens + "   1: 030014AC:1F90 040014AC:9C40\n", false},
		"a client": {
			head + listens +
				"   1: 030014AC:1F90 040014AC:9C40 01 00000000:00000000 00:00000000 00000000 10001 0 2 1\n", true,
		},
		"its own health check": {
			head + listens +
				"   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000 10001 0 2 1\n", false,
		},
		"what it connects to": {
			head + listens +
				"   1: 030014AC:9C40 040014AC:1F90 01 00000000:00000000 00:00000000 00000000 10001 0 2 1\n", false,
		},
		"a client that has gone": {
			head + listens +
				"   1: 030014AC:1F90 040014AC:9C40 06 00000000:00000000 00:00000000 00000000 10001 0 2 1\n", false,
		},
		"mapped in IPv6": {
			head + "   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0 0 0 0\n" +
				"   1: 0000000000000000FFFF0000030014AC:1F90 0000000000000000FFFF0000040014AC:9C40 01 0 0 0 0\n", true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := hasConnection(c.table); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestLoopbackAsTheKernelPrintsIt asks the kernel that runs the test.
func TestLoopbackAsTheKernelPrintsIt(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	table, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprintf(":%04X", l.Addr().(*net.TCPAddr).Port)
	seen := 0
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[1], port) {
			seen++
			if address, _, _ := strings.Cut(f[1], ":"); !loopback(address) {
				t.Errorf("%s is 127.0.0.1", address)
			}
		}
	}
	if seen == 0 {
		t.Errorf("the listener at %s is not in\n%s", l.Addr(), table)
	}
	if loopback("030014AC") || loopback("AC140003") {
		t.Error("172.20.0.3 is no loopback address")
	}
}

func TestLoopbackOfWhatIsNoAddress(t *testing.T) {
	for _, text := range []string{"", "0100007", "XXXXXXXX", "0100007F0100007F"} {
		if loopback(text) {
			t.Errorf("%q is no address", text)
		}
	}
}

// TestConnectedIn: a connection counts in either table, and only where the process is one of the container.
func TestConnectedIn(t *testing.T) {
	const table = "   0: 00000000:1F90 00000000:0000 0A 0\n   1: 030014AC:1F90 040014AC:9C40 01 0\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  bool
	}{
		"a client": {map[string]string{"cgroup": "0::/docker/id\n", "net/tcp": table}, true},
		"a client in IPv6": {
			map[string]string{"cgroup": "0::/docker/id\n", "net/tcp": "", "net/tcp6": table}, true,
		},
		"nobody":               {map[string]string{"cgroup": "0::/docker/id\n", "net/tcp": "", "net/tcp6": ""}, false},
		"another's process":    {map[string]string{"cgroup": "0::/docker/other\n", "net/tcp": table}, false},
		"no process":           {map[string]string{"net/tcp": table}, false},
		"tables can't be read": {map[string]string{"cgroup": "0::/docker/id\n"}, false},
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "net"), 0o700); err != nil {
			t.Fatal(err)
		}
		for file, text := range c.files {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := connectedIn(dir, "id"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
