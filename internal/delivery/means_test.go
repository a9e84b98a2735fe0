package delivery

import (
	"reflect"
	"strings"
	"testing"
)

func TestMeans(t *testing.T) {
	file := map[string]string{"gpu1": "ssh://ops@gpu1"}
	for name, c := range map[string]struct {
		given Given
		want  Means
		err   string
	}{
		"nothing":  {},
		"registry": {given: Given{Registry: "r.example:5000/team/"}, want: Means{Registry: "r.example:5000/team"}},
		"docker hub's user, spelled out": {
			given: Given{Registry: "docker.io/me"}, want: Means{Registry: "docker.io/me"},
		},
		"address": {given: Given{Registry: "10.77.0.9:5000"}, want: Means{Registry: "10.77.0.9:5000"}},
		"six":     {given: Given{Registry: "[fd00::9]:5000"}, want: Means{Registry: "[fd00::9]:5000"}},
		"variable before the file": {
			given: Given{Variable: "r.example", File: file}, want: Means{Registry: "r.example"},
		},
		"option before the variable": {
			given: Given{Registry: "a.example", Variable: "b.example"}, want: Means{Registry: "a.example"},
		},
		"nodes before the variable": {
			given: Given{Nodes: "a=ssh://a, b=tcp://b:2376", Variable: "b.example", File: file},
			want:  Means{Connections: map[string]string{"a": "ssh://a", "b": "tcp://b:2376"}},
		},
		"file":          {given: Given{File: file}, want: Means{Connections: file}},
		"both":          {given: Given{Registry: "a.example", Nodes: "a=ssh://a"}, err: "name one"},
		"scheme":        {given: Given{Registry: "http://a.example"}, err: "without a scheme"},
		"no host":       {given: Given{Registry: "team"}, err: "is no host"},
		"no host, path": {given: Given{Variable: "team/x"}, err: `DEPLOY_REGISTRY="team/x"`},
		"upper case":    {given: Given{Registry: "a.example/Team"}, err: "no image can have such a name"},
		"a tag":         {given: Given{Registry: "a.example/team:1"}, err: "no image can have such a name"},
		"password":      {given: Given{Registry: "http://u:geheim@a.example"}, err: `"http://…@a.example"`},
		"localhost":     {given: Given{Registry: "localhost:5000"}, err: "each machine's own"},
		"loopback":      {given: Given{Variable: "127.0.0.1:5000/x"}, err: "each machine's own"},
		"short":         {given: Given{Registry: "127.1:5000"}, err: "each machine's own"},
		"loopback six":  {given: Given{Registry: "[::1]:5000"}, err: "each machine's own"},
		"mapped":        {given: Given{Registry: "[::ffff:127.0.0.1]:5000"}, err: "each machine's own"},
		"any":           {given: Given{Registry: "0.0.0.0:5000"}, err: "each machine's own"},
		"subdomain":     {given: Given{Registry: "r.localhost:5000"}, err: "each machine's own"},
		"node without address": {
			given: Given{Nodes: "gpu1"}, err: `"gpu1" is no node's name and the address of its engine`,
		},
		"node twice":         {given: Given{Nodes: "a=ssh://a,a=ssh://b"}, err: "named twice"},
		"node with password": {given: Given{Nodes: "a=ssh://u:geheim@a"}, err: "has a password in it"},
		"node's scheme":      {given: Given{Nodes: "a=sshh://a"}, err: `did you mean "ssh"?`},
	} {
		got, err := Choose(c.given)
		switch {
		case c.err == "" && err != nil, c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: error %v, want %q", name, err, c.err)
		case err == nil && !reflect.DeepEqual(got, c.want):
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		case err != nil && strings.Contains(err.Error(), "geheim"):
			t.Errorf("%s: the error has the password: %v", name, err)
		}
	}
}

func TestNamesInTheRegistryOfTheDeploy(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	for name, want := range map[string]string{
		"shop-api":                       "r.example:5000/team/shop-api:latest",
		"postgres:16":                    "r.example:5000/team/postgres:16",
		"docker.io/library/postgres:16":  "r.example:5000/team/postgres:16",
		"25eloquence/redis:1":            "r.example:5000/team/25eloquence/redis:1",
		"ghcr.io/me/app:1":               "r.example:5000/team/me/app:1",
		"ghcr.io/library/app:1":          "r.example:5000/team/library/app:1",
		"127.0.0.1:5000/library/app:1":   "r.example:5000/team/library/app:1",
		"postgres:16@sha256:" + sum:      "r.example:5000/team/postgres:16",
		"ghcr.io/me/app@sha256:" + sum:   "r.example:5000/team/me/app:sha256-abababababab",
		"UPPER":                          "",
		"r.example:5000/team/shop-api:2": "r.example:5000/team/team/shop-api:2",
	} {
		got, err := under("r.example:5000/team", name)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestRegistriesThatNamesHave(t *testing.T) {
	for name, want := range map[string]string{
		"shop-api": "", "me/api:1": "", "docker.io/me/api": "docker.io", "index.docker.io/me/api": "docker.io",
		"ghcr.io/me/api": "ghcr.io", "localhost/api": "localhost", "127.0.0.1:5000/api": "127.0.0.1:5000",
		"host:5000/api": "host:5000",
	} {
		if got := ownRegistry(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
