package recreate

import (
	"reflect"
	"testing"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/container"
)

// TestElementsHaveNames: which mount, which port; and a name that somebody chose is not cut.
func TestElementsHaveNames(t *testing.T) {
	keys := func(below string) Keys {
		project := composetest.Load(t, "services: {web: {image: x, "+below+"}}\nvolumes: {data: {}, more: {}}\n")
		k, err := KeysOf(project.Services["web"], "id")
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	for name, c := range map[string]struct{ old, now, want string }{
		"source": {
			"volumes: ['data:/x.d/y', 'data:/z']", "volumes: ['more:/x.d/y', 'data:/z']",
			"volumes[/x.d/y].source data -> more",
		},
		"mount": {"volumes: ['data:/z']", "volumes: ['data:/z', 'data:/x.d/y']", "volumes[/x.d/y] (new)"},
		"first": {"tty: false", "volumes: ['data:/x.d/y']", "volumes (new)"},
		"port":  {"ports: ['8080:80']", "ports: ['8081:80']", "ports[80/tcp].published 8080 -> 8081"},
		"label": {"labels: {com.x.a: 1}", "labels: {com.x.a: 1, org.y.b: 1}", "labels.org.y.b (new)"},
		"secret": {
			"environment: {TOKEN: a}", "environment: {TOKEN: b}",
			"environment.TOKEN sha256:0f0ddd9b -> sha256:6a3ab2a8",
		},
	} {
		got := Differences(keys(c.old), keys(c.now))
		if name == "secret" {
			if len(got) != 1 || len(got[0]) != len(c.want) {
				t.Errorf("%s: %q", name, got)
			}
			continue
		}
		if !reflect.DeepEqual(got, []string{c.want}) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestInspectedKeys: of a container without a record, what the engine says of it is compared with the model.
func TestInspectedKeys(t *testing.T) {
	c := one(moby.StateRunning, func(c *container.Replica) {
		c.Config = &moby.Config{
			Image: "x", Env: []string{"PATH=/bin", "V=1", "OLD=1"}, Cmd: []string{"sleep", "1"},
			Labels: map[string]string{"l": "1"},
		}
		c.HostConfig = &moby.HostConfig{Resources: moby.Resources{Memory: 64 << 20}}
		c.HostConfig.RestartPolicy.Name = moby.RestartPolicyOnFailure
		c.Mounts = []moby.MountPoint{
			{Type: mount.TypeVolume, Name: "p_a", Source: "/var/lib/docker/volumes/p_a/_data", Destination: "/a"},
			{Type: mount.TypeBind, Source: "/one", Destination: "/one"},
			{Type: mount.TypeBind, Source: "/conf", Destination: "/run/secrets/s"},
		}
	})
	for below, want := range map[string][]string{
		"": nil, "environment: {V: '2'}": {"environment.V 1 -> 2"}, "environment: {W: '2'}": {"environment.W (new)"},
		"labels: {l: '2'}": {"labels.l"}, "command: [sleep, '2']": {"command"}, "command: [sleep, '1']": nil,
		"restart: 'on-failure:3'": nil, "restart: always": {"restart on-failure -> always"},
		"user: '1'": {`user "" -> 1`},
	} {
		if below != "" {
			below += ", "
		}
		project := composetest.Load(t, `services: {web: {image: x, `+below+
			`mem_limit: 64m, secrets: [s], volumes: ["data:/a", "/one:/one"]}}
volumes: {data: {}}
secrets: {s: {file: /conf}}
`)
		if got := inspectedKeys(project.Services["web"], c); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", below, got, want)
		}
	}
	project := composetest.Load(t, "services: {web: {image: \"y\", volumes: [\"/two:/one\"]}}")
	want := []string{
		"image x -> y", "mem_limit 64MiB -> 0", "volumes[/one].source /one -> /two", "volumes[/run/secrets/s] (gone)",
	}
	if got := inspectedKeys(project.Services["web"], c); !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
