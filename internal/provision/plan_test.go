package provision

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// A fresh Debian machine as root, without and with the Hub.
func debian() facts {
	return facts{
		os: "linux", root: true, distro: "debian", defaultEngine: true, engineError: errors.New("no engine"),
		compiler: true, registry: "127.0.0.1:5000", missing: baseNames, stale: append([]string{"registry", "buildkitd"}, cniPlugins...),
	}
}

// ready is the same machine after setup.
func ready() facts {
	f := debian()
	f.engine, f.engineLocal, f.engineError, f.dockerd = "unix:///var/run/docker.sock", true, nil, "/usr/sbin/dockerd"
	f.runc, f.debootstrap, f.missing, f.stale = true, true, nil, nil
	return f
}

func TestPlans(t *testing.T) {
	for _, c := range []struct {
		name string
		f    facts
		edit func(*facts)
		want string
	}{
		{"fresh, no Hub", debian(), nil, `engine: install
registry: start
builder: process
packages: docker.io iptables debootstrap
programs: buildkitd bridge loopback host-local registry
bases: debian:bookworm-slim golang:1.26-bookworm
debootstrap`},
		{"fresh, Hub", debian(), func(f *facts) { f.hub = true }, `engine: install
registry: start
builder: process
packages: docker.io iptables
programs: buildkitd bridge loopback host-local registry`},
		{
			"no C compiler for this repository's tests", ready(), func(f *facts) { f.compiler = false },
			"engine: found\nregistry: start\nbuilder: process\npackages: gcc libc6-dev",
		},
		{"all there", ready(), nil, "engine: found\nregistry: start\nbuilder: process"},
		{"engine stopped", ready(), func(f *facts) { f.engine = "" }, "engine: start\nregistry: start\nbuilder: process"},
		{"Hub and a cache registry", ready(), func(f *facts) { f.hub, f.cacheRegistry = true, "r.example" }, "engine: found\nregistry: none\nbuilder: process"},
		{
			"an engine with the mirror of an earlier setup", ready(), func(f *facts) { f.engineMirror = "http://127.0.0.1:5000" },
			"engine: restart\nregistry: start\nbuilder: process",
		},
		{
			"BUILDKIT_HOST", ready(), func(f *facts) { f.buildkitHost = "tcp://b:1234"; f.stale = []string{"buildkitd"} },
			"engine: found\nregistry: none\nbuilder: BUILDKIT_HOST",
		},
		{"containerd's store", ready(), func(f *facts) { f.containerd, f.hub = true, true }, "engine: found\nregistry: none\nbuilder: engine"},
		{"containerd's store, no Hub", ready(), func(f *facts) { f.containerd = true }, "engine: found\nregistry: start\nbuilder: process"},
		{"not root", ready(), func(f *facts) { f.root = false }, "engine: found\nregistry: start\nbuilder: container"},
		{"macOS", ready(), func(f *facts) { f.os, f.root, f.hub, f.distro = "darwin", false, true, "" }, "engine: found\nregistry: none\nbuilder: container"},
		{"no runc", ready(), func(f *facts) { f.runc = false }, "engine: found\nregistry: start\nbuilder: process\npackages: runc"},
		{"Fedora without runc", ready(), func(f *facts) { f.runc, f.distro = false, "fedora" }, "engine: found\nregistry: start\nbuilder: container"},
		{
			"killed before golang was pushed", ready(), func(f *facts) { f.missing = []string{golangBase} },
			"engine: found\nregistry: start\nbuilder: process\nbases: golang:1.26-bookworm",
		},
		{
			"killed before debian was pushed", ready(), func(f *facts) { f.missing, f.rootfs = baseNames, true },
			"engine: found\nregistry: start\nbuilder: process\nbases: debian:bookworm-slim golang:1.26-bookworm",
		},
	} {
		f := c.f
		if c.edit != nil {
			c.edit(&f)
		}
		p, err := decide(f)
		if err != nil || p.String() != c.want {
			t.Errorf("%s: got\n%s\n%v, want\n%s", c.name, p, err, c.want)
		}
	}
}

func TestPlansThatFail(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*facts)
		code fault.Code
		next string // a part of the next command
	}{
		{"macOS", func(f *facts) { f.os = "darwin" }, fault.Engine, "brew install"},
		{"Windows", func(f *facts) { f.os = "windows" }, fault.Engine, "winget install"},
		{"Debian, not root", func(f *facts) { f.root = false }, fault.Engine, "sudo apt-get install -y docker.io"},
		{"stopped, not root", func(f *facts) { f.root, f.dockerd, f.systemd = false, "/usr/bin/dockerd", true }, fault.Engine, "sudo systemctl start docker"},
		{"Fedora", func(f *facts) { f.distro = "fedora" }, fault.Engine, "sudo dnf install -y moby-engine"},
		{"Arch", func(f *facts) { f.distro = "arch" }, fault.Engine, "sudo pacman -S docker"},
		{"Alpine", func(f *facts) { f.distro = "alpine" }, fault.Engine, "apk add docker"},
		{"unknown", func(f *facts) { f.distro = "nixos" }, fault.Engine, "https://docs.docker.com/engine/install/"},
		{"no Hub, Ubuntu", func(f *facts) { *f = ready(); f.distro, f.missing = "ubuntu", baseNames }, fault.Registry, "registry-mirrors"},
		{"no Hub, not root", func(f *facts) { *f = ready(); f.root, f.missing = false, baseNames }, fault.Registry, "/etc/docker/daemon.json"},
		{"no Hub, macOS", func(f *facts) { *f = ready(); f.os, f.missing = "darwin", baseNames }, fault.Registry, "Docker Desktop's settings"},
	} {
		f := debian()
		c.edit(&f)
		_, err := decide(f)
		var e *fault.Error
		if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Next, c.next) {
			t.Errorf("%s: got %v, want code %d and next %q", c.name, err, c.code, c.next)
		}
	}
}

// An engine that somebody chose is never replaced by another one.
func TestChosenEngineIsNotReplaced(t *testing.T) {
	for name, edit := range map[string]func(*facts){
		"DOCKER_HOST":   func(f *facts) { f.defaultEngine = false },
		"no permission": func(f *facts) { f.denied, f.root = true, false },
	} {
		f := debian()
		f.engineError = fault.New(fault.Engine, "next", "no engine")
		edit(&f)
		if p, err := decide(f); err == nil || !strings.HasPrefix(err.Error(), "no engine\n") {
			t.Errorf("%s: got plan %q, %v, want the engine's own error", name, p, err)
		}
	}
}

func TestUbuntuWithADebianMirrorMakesTheBases(t *testing.T) {
	f := ready()
	f.distro, f.mirror, f.missing = "ubuntu", "http://mirror.example/debian", baseNames
	if p, err := decide(f); err != nil || !p.rootfs {
		t.Errorf("got %q, %v, want debootstrap", p, err)
	}
}

func TestDistro(t *testing.T) {
	for text, want := range map[string]string{
		"ID=debian\n": "debian",
		"NAME=x\nID=\"ubuntu\"\nID_LIKE=debian\n":   "ubuntu",
		"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n": "ubuntu",
		"ID=fedora\n": "fedora",
		"ID=rocky\nID_LIKE=\"rhel centos fedora\"\n": "rocky",
		"": "",
	} {
		path := filepath.Join(t.TempDir(), "os-release")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := distro(path); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := distro(filepath.Join(t.TempDir(), "missing")); got != "" {
		t.Errorf("no file: got %q", got)
	}
}
