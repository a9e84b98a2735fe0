package stepnet

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every rule names the bridge or its subnet: nothing else of the machine is touched.
func TestRulesAreOfThisNetworkAlone(t *testing.T) {
	n := Network{
		Bridge: "cm1", Subnet: netip.MustParsePrefix("10.214.1.0/24"), Gateway: netip.MustParseAddr("10.214.1.1"),
		Ports: []int{3128},
	}
	rules := n.Rules()
	for line := range strings.Lines(rules) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "-A ") && !strings.Contains(line, " cm1 ") &&
			!strings.Contains(line, "10.214.1.0/24") {
			t.Errorf("another's packets, too: %s", line)
		}
		if strings.HasPrefix(line, ":") && !strings.HasPrefix(line, ":CM1-") {
			t.Errorf("it empties another's chain: %s", line)
		}
	}
	in := rules[strings.Index(rules, "*filter"):]
	if accept, reject := strings.Index(in, "--dport 3128"), strings.Index(in,
		"-A CM1-INPUT -i cm1 -j REJECT"); accept < 0 || reject < accept {
		t.Errorf("the way to the proxy comes after the refusal:\n%s", in)
	}
	if strings.Count(in, "-j ACCEPT") != 3 {
		t.Errorf("it lets in more than the proxy, the way out and its answers:\n%s", rules)
	}
	n.Ports = nil
	if strings.Contains(n.Rules(), "DNAT --to-destination") || strings.Contains(n.Rules(), "--ctstate DNAT") {
		t.Errorf("without a proxy there is a way to the loopback:\n%s", n.Rules())
	}
}

func TestNameServersOnTheLoopbackAreNoneForSteps(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	resolved := file("resolved", "nameserver 192.0.2.53\n")
	for text, ok := range map[string]bool{
		"nameserver 192.0.2.1\n":                          true,
		"nameserver 127.0.0.1\nnameserver 192.0.2.1\n":    true,
		"nameserver 127.0.0.53\n":                         true, // systemd-resolved, whose own list BuildKit reads
		"nameserver 127.0.0.53\nnameserver 127.0.0.11 \n": false,
		"nameserver 127.0.0.11\noptions ndots:0\n":        false,
		"nameserver ::1\n":                                false,
		"# nothing\n":                                     true,
	} {
		if err := nameServers(file("resolv.conf", text), resolved); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
