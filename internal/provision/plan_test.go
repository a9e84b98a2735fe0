package provision

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/baseimages"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/pinned"
)

// A fresh Debian machine as root, without and with the Hub.
func debian() facts {
	return facts{
		os: "linux", root: true, distro: "debian", defaultEngine: true, engineError: errors.New("no engine"),
		compiler: true, registry: "127.0.0.1:5000", missing: baseimages.Names, stale: append([]string{
			"registry",
			"buildkitd",
		}, pinned.CNIPlugins...),
	}
}

// ready is the same machine after setup.
func ready() facts {
	f := debian()
	f.engine, f.engineLocal, f.engineError, f.dockerd = "unix:///var/run/docker.sock", true, nil, "/usr/sbin/dockerd"
	f.runc, f.debootstrap, f.missing, f.stale = true, true, nil, nil
	return f
}

// text is a plan an operation a line.
func text(operations []operation) string {
	lines := make([]string, len(operations))
	for i, o := range operations {
		lines[i] = o.String()
	}
	return strings.Join(lines, "\n")
}

// serving are a registry and a builder that run as they should.
var serving = running{runs: true, asWanted: true}

func TestPlans(t *testing.T) {
	const engine, nothing = "engine: found unix:///var/run/docker.sock\n", `engine: found unix:///var/run/docker.sock
registry: found 127.0.0.1:5000
builder: found buildkitd, a process of this machine
base images: found debian:bookworm-slim golang:1.26-bookworm`
	for _, c := range []struct {
		name string
		f    facts
		edit func(*facts)
		runs running // registry and builder
		want string
	}{
		{"fresh, no Hub", debian(), nil, running{}, `packages: install docker.io iptables debootstrap
engine: start dockerd
programs: build buildkitd bridge loopback host-local registry
root file system: make by debootstrap
registry: start 127.0.0.1:5000
builder: start buildkitd, a process of this machine
base images: make debian:bookworm-slim golang:1.26-bookworm`},
		{"fresh, Hub", debian(), func(f *facts) { f.hub = true }, running{}, `packages: install docker.io iptables
engine: start dockerd
programs: build buildkitd bridge loopback host-local registry
registry: start 127.0.0.1:5000
builder: start buildkitd, a process of this machine
base images: none Docker Hub or a mirror of it answers`},
		{"all there", ready(), nil, serving, nothing},
		{
			"no C compiler for this repository's tests", ready(), func(f *facts) { f.compiler = false }, serving,
			"packages: install gcc libc6-dev\n" + nothing,
		},
		{
			"registry and builder run otherwise", ready(), nil,
			running{runs: true},
			engine + `registry: restart 127.0.0.1:5000
builder: restart buildkitd, a process of this machine
base images: found debian:bookworm-slim golang:1.26-bookworm`,
		},
		{"engine stopped", ready(), func(f *facts) { f.engine = "" }, running{}, `engine: start dockerd
registry: start 127.0.0.1:5000
builder: start buildkitd, a process of this machine
base images: found debian:bookworm-slim golang:1.26-bookworm`},
		{
			"Hub and a cache registry", ready(), func(f *facts) { f.hub, f.cacheRegistry = true, "r.example" }, serving,
			engine + `registry: none nobody needs a local one
builder: found buildkitd, a process of this machine
base images: none Docker Hub or a mirror of it answers`,
		},
		{
			"an engine with the mirror of an earlier setup", ready(),
			func(f *facts) { f.engineMirror = "http://127.0.0.1:5000" }, serving,
			"engine: restart without the mirror http://127.0.0.1:5000; what runs ends, and is started again" +
				strings.TrimPrefix(nothing, strings.TrimSuffix(engine, "\n")),
		},
		{
			"BUILDKIT_HOST", ready(),
			func(f *facts) { f.buildkitHost = "tcp://b:1234"; f.stale = []string{"buildkitd"} }, serving,
			engine + `registry: none nobody needs a local one
builder: found BUILDKIT_HOST=tcp://b:1234
base images: none the builder has its own way to them`,
		},
		{
			"containerd's store", ready(), func(f *facts) { f.containerd, f.hub = true, true }, serving,
			engine + `registry: none nobody needs a local one
builder: found the engine's own BuildKit
base images: none Docker Hub or a mirror of it answers`,
		},
		{"containerd's store, no Hub", ready(), func(f *facts) { f.containerd = true }, serving, nothing},
		{
			"not root", ready(), func(f *facts) { f.root = false }, running{}, engine + `registry: start 127.0.0.1:5000
builder: start the container compose-mage-buildkit
base images: found debian:bookworm-slim golang:1.26-bookworm`,
		},
		{
			"macOS", ready(), func(f *facts) { f.os, f.root, f.hub, f.distro = "darwin", false, true, "" }, serving,
			engine + `registry: none nobody needs a local one
builder: found the container compose-mage-buildkit
base images: none Docker Hub or a mirror of it answers`,
		},
		{"no runc", ready(), func(f *facts) { f.runc = false }, serving, "packages: install runc\n" + nothing},
		{
			"Fedora without runc", ready(), func(f *facts) { f.runc, f.distro = false, "fedora" }, serving,
			strings.Replace(nothing, "buildkitd, a process of this machine", "the container compose-mage-buildkit", 1),
		},
		{
			"killed before golang was pushed", ready(),
			func(f *facts) { f.missing = []string{baseimages.Golang} }, serving,
			strings.Replace(nothing, "base images: found debian:bookworm-slim", "base images: make", 1),
		},
		{
			"killed before debian was pushed", ready(), func(f *facts) {
				f.missing, f.rootfs = baseimages.Names,
					true
			}, serving,
			strings.Replace(nothing, "base images: found", "base images: make", 1),
		},
	} {
		f := c.f
		if c.edit != nil {
			c.edit(&f)
		}
		p, err := decide(f)
		p.compare(c.runs, c.runs)
		if got := text(p.operations(f)); err != nil || got != c.want {
			t.Errorf("%s: got\n%s\n%v, want\n%s", c.name, got, err, c.want)
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
		{
			"stopped, not root", func(f *facts) { f.root, f.dockerd, f.systemd = false, "/usr/bin/dockerd", true },
			fault.Engine, "sudo systemctl start docker",
		},
		{"Fedora", func(f *facts) { f.distro = "fedora" }, fault.Engine, "sudo dnf install -y moby-engine"},
		{"Arch", func(f *facts) { f.distro = "arch" }, fault.Engine, "sudo pacman -S docker"},
		{"Alpine", func(f *facts) { f.distro = "alpine" }, fault.Engine, "apk add docker"},
		{"unknown", func(f *facts) { f.distro = "nixos" }, fault.Engine, "https://docs.docker.com/engine/install/"},
		{
			"no Hub, Ubuntu", func(f *facts) { *f = ready(); f.distro, f.missing = "ubuntu", baseimages.Names },
			fault.Registry, "registry-mirrors",
		},
		{
			"no Hub, not root", func(f *facts) { *f = ready(); f.root, f.missing = false, baseimages.Names },
			fault.Registry, "/etc/docker/daemon.json",
		},
		{
			"no Hub, macOS", func(f *facts) { *f = ready(); f.os, f.missing = "darwin", baseimages.Names },
			fault.Registry, "Docker Desktop's settings",
		},
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
			t.Errorf("%s: got plan %+v, %v, want the engine's own error", name, p, err)
		}
	}
}

func TestUbuntuWithADebianMirrorMakesTheBases(t *testing.T) {
	f := ready()
	f.distro, f.mirror, f.missing = "ubuntu", "http://mirror.example/debian", baseimages.Names
	if p, err := decide(f); err != nil || !p.rootfs {
		t.Errorf("got %+v, %v, want debootstrap", p, err)
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
