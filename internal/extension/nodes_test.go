package extension

import (
	"reflect"
	"strings"
	"testing"
)

func TestNodes(t *testing.T) {
	for text, c := range map[string]struct {
		want map[string]string
		err  string
	}{
		"smoke: ":   {},
		"nodes: {}": {want: map[string]string{}},
		"nodes: {gpu1: ssh://ops@gpu1, b: 'tcp://b:2376', c: unix:///run/c.sock}": {
			want: map[string]string{"gpu1": "ssh://ops@gpu1", "b": "tcp://b:2376", "c": "unix:///run/c.sock"},
		},
		"nodes: {a: 'ssh://ops@a:2222/run/docker.sock'}": {
			want: map[string]string{"a": "ssh://ops@a:2222/run/docker.sock"},
		},
		"nodes: {a: gpu1}":                   {err: `x-compose-mage.nodes.a: "" is none of ssh, tcp, unix`},
		"nodes: {a: 'ops@gpu1:22'}":          {err: "is no address of an engine"},
		"nodes: {a: 'http://a:1'}":           {err: `"http" is none of ssh, tcp, unix`},
		"nodes: {a: 'shh://a'}":              {err: `did you mean "ssh"?`},
		"nodes: {a: 'ssh://u:geheim@a'}":     {err: "has a password in it"},
		"nodes: {a: 'tcp://u@a:1'}":          {err: "only ssh has one"},
		"nodes: {a: tcp://a}":                {err: "has no port"},
		"nodes: {a: 'ssh://'}":               {err: "has no host"},
		"nodes: {a: unix://run/docker.sock}": {err: "by its whole path"},
		"nodes: {a: 'ssh://a?x=y'}":          {err: "is no address of an engine"},
		"nodes: [a]":                         {err: "x-compose-mage: "},
	} {
		m, err := loaded(t, "x-compose-mage:\n  "+text+"\nservices:\n  a: {image: x}\n")
		switch {
		case (err == nil) != (c.err == ""), err != nil && !strings.Contains(err.Error(), c.err):
			t.Errorf("%s: %v", text, err)
		case err != nil && strings.Contains(err.Error(), "geheim"):
			t.Errorf("%s: the error has the password: %v", text, err)
		case err == nil && !reflect.DeepEqual(Nodes(m.Project), c.want):
			t.Errorf("%s: %v", text, Nodes(m.Project))
		}
	}
}

func TestEndpoint(t *testing.T) {
	for text, want := range map[string]string{
		"smoke: ": "", "endpoint: vip": "vip", "endpoint: dnsrr": "dnsrr", "endpoint: ''": "",
		"endpoint: dnsr": `x-compose-mage.endpoint: "dnsr" is neither vip nor dnsrr (did you mean "dnsrr"?)`,
		"endpoint: [a]":  "x-compose-mage: ",
	} {
		m, err := loaded(t, "x-compose-mage:\n  "+text+"\nservices:\n  a: {image: x}\n")
		switch {
		case err != nil && !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v", text, err)
		case err == nil && Endpoint(m.Project) != want:
			t.Errorf("%s: %q", text, Endpoint(m.Project))
		}
	}
}
