package answer

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/extension"
)

// at is a binding as the engine lists it: "127.0.0.1:80", "[::]:80", or ":80" where it gives no address.
func at(binding string) network.PortBinding {
	i := strings.LastIndex(binding, ":")
	b := network.PortBinding{HostPort: binding[i+1:]}
	if host := strings.Trim(binding[:i], "[]"); host != "" {
		b.HostIP = netip.MustParseAddr(host)
	}
	return b
}

// on is a container in a network, with the ports that it publishes: "80/tcp": "0.0.0.0:8080 [::]:8080".
func on(own string, ports map[string]string) container.Replica {
	c := container.Replica{InspectResponse: moby.InspectResponse{
		ID: "c1", HostConfig: &moby.HostConfig{}, NetworkSettings: &moby.NetworkSettings{Ports: network.PortMap{}},
	}}
	if own != "" {
		c.NetworkSettings.Networks = map[string]*network.EndpointSettings{
			"back": {IPAddress: netip.MustParseAddr(own), Gateway: netip.MustParseAddr("172.20.0.1")},
		}
	}
	for port, bindings := range ports {
		var all []network.PortBinding
		for b := range strings.FieldsSeq(bindings) {
			all = append(all, at(b))
		}
		c.NetworkSettings.Ports[network.MustParsePort(port)] = all
	}
	return c
}

// text is where a target is asked: "own 172.20.0.2:80 published 127.0.0.1:8080, …", a comma before each other port.
func text(t Target) string {
	var ports []string
	for _, p := range t.ports {
		var places []string
		for _, at := range p {
			places = append(places, [...]string{"own", "published", "written"}[at.kind]+" "+at.address)
		}
		ports = append(ports, strings.Join(places, " "))
	}
	return strings.Join(ports, ", ")
}

var (
	here    = Reach{Local: true, SharesNetwork: true}
	desktop = Reach{Local: true}
	remote  = Reach{Host: "docker.example"}
)

func TestWhereAPublishedPortIsAsked(t *testing.T) {
	web := map[string]string{"80/tcp": "0.0.0.0:8080 [::]:8080"}
	hostNetwork := on("", nil)
	hostNetwork.HostConfig.NetworkMode = "host"
	for name, c := range map[string]struct {
		c     container.Replica
		reach Reach
		want  string
	}{
		"of this machine":     {on("172.20.0.2", web), here, "own 172.20.0.2:80 published 127.0.0.1:8080"},
		"of a desktop":        {on("172.20.0.2", web), desktop, "published 127.0.0.1:8080"},
		"of another machine":  {on("172.20.0.2", web), remote, "published docker.example:8080"},
		"of a socket of ours": {on("172.20.0.2", web), Reach{}, ""},
		"on loopback": {
			on("172.20.0.2", map[string]string{"80/tcp": "127.0.0.1:80"}), desktop, "published 127.0.0.1:80",
		},
		"on another's loopback": {
			on("172.20.0.2", map[string]string{"80/tcp": "127.0.0.1:80"}), remote, "",
		},
		"on one address": {
			on("", map[string]string{"80/tcp": "10.0.0.1:80"}), here, "published 10.0.0.1:80",
		},
		"on another's address": {
			on("", map[string]string{"80/tcp": "10.0.0.1:80"}), remote, "published 10.0.0.1:80",
		},
		"of IPv6 alone": {on("", map[string]string{"80/tcp": "[::]:80"}), here, "published [::1]:80"},
		"of IPv6 first": {
			on("", map[string]string{"80/tcp": "[::]:81 0.0.0.0:80"}), here, "published 127.0.0.1:80",
		},
		"without an address": {on("", map[string]string{"80/tcp": ":80"}), here, "published 127.0.0.1:80"},
		"of a container in IPv6": {
			on("fd00::2", map[string]string{"80/tcp": ":80"}), here, "own [fd00::2]:80 published 127.0.0.1:80",
		},
		"several": {
			on("", map[string]string{"443/tcp": ":8443", "80/tcp": ":8080", "82/tcp": "", "53/udp": ":53"}), here,
			"published 127.0.0.1:8080, published 127.0.0.1:8443",
		},
		"a range of one name": {on("", map[string]string{"80/tcp": ":32768"}), here, "published 127.0.0.1:32768"},
		"no number":           {on("", map[string]string{"80/tcp": ":0", "81/tcp": ":x"}), here, ""},
		"UDP alone":           {on("172.20.0.2", map[string]string{"53/udp": ":53"}), here, ""},
		"none":                {on("172.20.0.2", nil), here, ""},
		"the host's network":  {hostNetwork, here, ""},
		"not seen":            {container.Replica{}, here, ""},
	} {
		got, ok := Of(Service{}, c.c, nil, c.reach)
		if text(got) != c.want || ok != (c.want != "") {
			t.Errorf("%s: got %q, %v; want %q", name, text(got), ok, c.want)
		}
		if _, ok := Of(Service{ReadyOnceStarted: true}, c.c, nil, c.reach); ok {
			t.Errorf("%s: asked, though nobody waits for the port", name)
		}
	}
}

func TestWhereAnAddressIsAsked(t *testing.T) {
	web := on("172.20.0.2", map[string]string{"8000/tcp": "127.0.0.1:18000"})
	hostNetwork, shares, sharesAnother := on("", nil), on("", nil), on("", nil)
	hostNetwork.HostConfig.NetworkMode = "host"
	shares.HostConfig.NetworkMode = "container:c1"
	sharesAnother.HostConfig.NetworkMode = "container:c2"
	for _, c := range []struct {
		address string
		c       container.Replica
		reach   Reach
		want    string // what is asked, and in words
	}{
		{"http://127.0.0.1:8000/h", web, here, "written 127.0.0.1:8000 = http://127.0.0.1:8000/h"},
		{"http://127.0.0.1:8000/h", web, remote, ""},
		{"http://localhost:8000/h", web, remote, ""},
		{"http://[::1]:8000/h", web, remote, ""},
		{"http://0.0.0.0:8000/h", web, remote, ""},
		{"http://shop.example/h?token=t", web, remote, "written shop.example:80 = http://shop.example:80/h"},
		{"https://shop.example", web, here, "written shop.example:443 = https://shop.example:443/"},
		{"tcp://10.0.0.1:53", web, here, "written 10.0.0.1:53 = tcp://10.0.0.1:53"},
		{
			"http://:8000/h", web, here,
			"own 172.20.0.2:8000 published 127.0.0.1:18000 = http://172.20.0.2:8000/h",
		},
		{"http://:8000/h", web, desktop, "published 127.0.0.1:18000 = http://127.0.0.1:18000/h"},
		{"http://:8000/h", web, remote, ""},
		{"tcp://:6379", web, here, "own 172.20.0.2:6379 = tcp://172.20.0.2:6379"},
		{"tcp://:6379", web, desktop, ""},
		{"http://:80/", hostNetwork, here, "own 127.0.0.1:80 = http://127.0.0.1:80/"},
		{"http://:80/", hostNetwork, desktop, "published 127.0.0.1:80 = http://127.0.0.1:80/"},
		{"http://:80/", hostNetwork, remote, "published docker.example:80 = http://docker.example:80/"},
		{"http://:8000/", shares, desktop, "published 127.0.0.1:18000 = http://127.0.0.1:18000/"},
		{"http://:8000/", sharesAnother, desktop, ""},
	} {
		service := Service{Named: &extension.Answers{Address: c.address}, ReadyOnceStarted: true}
		t1, ok := Of(service, c.c, []container.Replica{web}, c.reach)
		got := ""
		if ok {
			got = text(t1) + " = " + t1.words(t1.ports[0][0])
		}
		if got != c.want || ok && !t1.named {
			t.Errorf("%s from %+v: got %q, want %q", c.address, c.reach, got, c.want)
		}
	}
}

// TestOwnAddress takes the network that has a way to the host, whatever order a map has.
func TestOwnAddress(t *testing.T) {
	c := on("172.20.0.2", nil)
	c.NetworkSettings.Networks["a-lan"] = &network.EndpointSettings{IPAddress: netip.MustParseAddr("192.168.1.9")}
	c.NetworkSettings.Networks["a-none"] = &network.EndpointSettings{}
	c.NetworkSettings.Networks["nil"] = nil
	if got := ownAddress(c); got.String() != "172.20.0.2" {
		t.Errorf("got %s", got)
	}
	delete(c.NetworkSettings.Networks, "back")
	if got := ownAddress(c); got.String() != "192.168.1.9" {
		t.Errorf("without a gateway: got %s", got)
	}
	if got := ownAddress(container.Replica{}); got.IsValid() {
		t.Errorf("got %s", got)
	}
}

func TestPublishedPorts(t *testing.T) {
	var got []string
	for _, p := range PublishedPorts(on("172.20.0.2", map[string]string{
		"443/tcp": "10.0.0.1:8443 :9", "80/tcp": "0.0.0.0:8080 :9", "82/tcp": "", "53/udp": ":53",
	})) {
		got = append(got, fmt.Sprint(p.Number, p.Own, p.Published))
	}
	if got, want := strings.Join(got, ", "), "80 172.20.0.2 0.0.0.0:8080, 443 172.20.0.2 10.0.0.1:8443"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
