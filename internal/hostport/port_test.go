package hostport

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// TestTakenByThisProcess holds a real port and expects to be found.
func TestTakenByThisProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := Port{IP: "127.0.0.1", Protocol: "tcp", Number: l.Addr().(*net.TCPAddr).Port}
	if !Taken(p) {
		t.Error("a port that is listened on counts as free")
	}
	if _, err := os.Stat("/proc/net/tcp"); err == nil {
		if who := Holder(p); !strings.Contains(who, fmt.Sprintf("(process %d)", os.Getpid())) {
			t.Errorf("held by %q, want this process %d", who, os.Getpid())
		}
	}
	_ = l.Close()
	if Taken(p) {
		t.Error("a closed port counts as taken")
	}
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !Taken(Port{IP: "127.0.0.1", Protocol: "udp", Number: c.LocalAddr().(*net.UDPAddr).Port}) {
		t.Error("a taken UDP port counts as free")
	}
}

func TestListener(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1F41 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
   2: 00000000:1ECA 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4713 2 0 0
`
	for _, c := range []struct {
		number   int
		protocol string
		want     string
	}{{8000, "tcp", "4711"}, {8001, "tcp", ""}, {7882, "udp", "4713"}, {7882, "tcp", ""}} {
		if got := listener(strings.NewReader(table), c.number, c.protocol); got != c.want {
			t.Errorf("%d/%s: %q, want %q", c.number, c.protocol, got, c.want)
		}
	}
}
