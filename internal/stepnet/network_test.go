package stepnet

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

func TestSubnetIsBesideTheMachinesOwn(t *testing.T) {
	first, err := Choose("/state", nil, nil, nil)
	if err != nil || !pool.Contains(first.Gateway) || first.Subnet.Addr().Next() != first.Gateway ||
		len(first.Bridge) > 15 {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := Choose("/state", &first, prefixes("172.17.0.0/16", "10.213.0.0/16"), nil); err != nil ||
		again.Subnet != first.Subnet {
		t.Errorf("an earlier choice was not kept: %+v, %v", again, err)
	}
	moved, err := Choose("/state", &first, []netip.Prefix{first.Subnet}, nil)
	if err != nil || moved.Subnet.Overlaps(first.Subnet) || moved.Bridge != first.Bridge {
		t.Errorf("somebody else has it now: %+v, %v", moved, err)
	}
	if other, err := Choose("/other", nil, nil, nil); err != nil || other.Bridge == first.Bridge {
		t.Errorf("two state directories share %s, %v", other.Bridge, err)
	}
	if n, err := Choose("/state", nil, prefixes("10.0.0.0/8"), nil); err == nil {
		t.Errorf("took %s of a machine that has all of it", n.Subnet)
	}
}

func TestStateKeepsTheNetwork(t *testing.T) {
	n, err := Choose("/state", nil, nil, []int{3128})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	var back Network
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, n) {
		t.Errorf("%+v became %+v, %v", n, back, err)
	}
}

func TestProxiesOnTheLoopbackAreReachedAtTheGateway(t *testing.T) {
	n := &Network{Gateway: netip.MustParseAddr("10.214.1.1"), Ports: []int{80, 1080, 3128}}
	for proxy, want := range map[string]string{
		"http://127.0.0.1:3128":       "http://10.214.1.1:3128",
		"http://localhost:3128/":      "http://10.214.1.1:3128/",
		"http://u:p@127.0.0.1:3128":   "http://u:p@10.214.1.1:3128",
		"127.0.0.1:3128":              "10.214.1.1:3128",
		"http://127.0.0.1":            "http://10.214.1.1:80",
		"socks5://127.8.9.1":          "socks5://10.214.1.1:1080",
		"http://127.0.0.1:3129":       "", // of another setup's time
		"http://proxy.example:3128":   "http://proxy.example:3128",
		"http://192.0.2.1:3128":       "http://192.0.2.1:3128",
		"":                            "",
		"http://localhost.example:80": "http://localhost.example:80",
	} {
		got, ok := n.Reachable(proxy)
		if want == "" {
			want = proxy
		}
		if got != want || ok != (proxy != "http://127.0.0.1:3129") {
			t.Errorf("%q: got %q, %v", proxy, got, ok)
		}
		if got, ok := (*Network)(nil).Reachable(proxy); got != proxy || !ok {
			t.Errorf("%q in the host's network: got %q, %v", proxy, got, ok)
		}
	}
	ports, err := Ports([]string{
		"", "http://127.0.0.1:3128", "http://127.0.0.1:3128", "https://127.0.0.1", "http://proxy.example:1",
	})
	if err != nil || !reflect.DeepEqual(ports, []int{443, 3128}) {
		t.Errorf("ports: %v, %v", ports, err)
	}
	if ports, err := Ports([]string{"http://[::1]:3128"}); err == nil {
		t.Errorf("a proxy on the IPv6 loopback: %v", ports)
	}
}

func TestConfiguration(t *testing.T) {
	n := Network{Bridge: "cm1", Subnet: netip.MustParsePrefix("10.214.1.0/24")}
	data, err := n.CNI("/state/run/addresses", 1400)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"bridge": "cm1"`, `"subnet": "10.214.1.0/24"`, `"mtu": 1400`, `"portIsolation": true`,
		`"dataDir": "/state/run/addresses"`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("lacks %s:\n%s", want, data)
		}
	}
}
