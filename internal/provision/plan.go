package provision

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/25eloquence/compose-mage/internal/baseimages"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/pinned"
	"github.com/25eloquence/compose-mage/internal/projectfiles"
)

// facts is what a machine has, as decide needs to know it.
type facts struct {
	os      string // runtime.GOOS
	root    bool
	distro  string // ID of /etc/os-release, its parent where that is Debian or Ubuntu
	systemd bool   // PID 1 is systemd

	engine        string // the engine's host where it answers
	engineError   error  // why it does not
	engineLocal   bool
	containerd    bool   // the engine's store is containerd's
	defaultEngine bool   // no DOCKER_HOST and no context chosen
	denied        bool   // the engine's socket is there, and not ours to use
	dockerd       string // the program's path, empty where it is not installed

	buildkitHost  string // BUILDKIT_HOST
	cacheRegistry string // CACHE_REGISTRY
	hub           bool   // Docker Hub or a mirror that the engine has answers

	registry     string // the host:port that serves or will serve
	engineMirror string // the mirror on the loopback that an earlier setup gave the engine which it started

	compiler    bool // a C compiler for the race detector, or nobody needs one
	runc        bool
	debootstrap bool
	mirror      string   // DEBIAN_MIRROR
	missing     []string // bases that the registry lacks
	rootfs      bool     // Debian's root file system was made and waits to be pushed
	stale       []string // programs of tools/go.mod that are not built, or from other versions
}

// What becomes of a part.
const (
	found   = "found"
	start   = "start"
	restart = "restart"
	install = "install"
	build   = "build"
	create  = "make"
	none    = "none"
	// The builders, first that fits.
	byHost      = "BUILDKIT_HOST"
	byEngine    = "engine"
	byProcess   = "process"
	byContainer = "container"
)

// plan is what setup will do. The zero plan does nothing.
type plan struct {
	packages []string // apt packages to install
	engine   string   // found, restart, start or install
	registry string   // found, restart, start or none
	builder  string   // byHost, byEngine, byProcess or byContainer
	builders string   // what becomes of that builder: found, restart or start
	programs []string // to build from tools/go.mod
	rootfs   bool     // debootstrap runs
	bases    []string // to build and push
}

// operation is what setup does with one part, in the order in which it does it.
type operation struct{ part, action, what string }

// operations gives the plan as what is done, found and left out, in that order; text of the dry run, and what tests
// compare.
func (p plan) operations(f facts) []operation {
	var all []operation
	add := func(part, action string, what ...string) {
		all = append(all, operation{part, action, strings.Join(what, " ")})
	}
	if len(p.packages) > 0 {
		add("packages", install, p.packages...)
	}
	switch p.engine {
	case found:
		add("engine", found, f.engine)
	case restart:
		add("engine", restart, "without the mirror "+f.engineMirror+"; what runs ends, and is started again")
	default:
		add("engine", start, "dockerd")
	}
	if len(p.programs) > 0 {
		add("programs", build, p.programs...)
	}
	if p.rootfs {
		add("root file system", create, "by debootstrap")
	}
	if p.registry == none {
		add("registry", none, "nobody needs a local one")
	} else {
		add("registry", p.registry, f.registry)
	}
	switch p.builder {
	case byHost:
		add("builder", found, "BUILDKIT_HOST="+f.buildkitHost)
	case byEngine:
		add("builder", found, "the engine's own BuildKit")
	case byProcess:
		add("builder", p.builders, "buildkitd, a process of this machine")
	case byContainer:
		add("builder", p.builders, "the container "+builderContainer)
	}
	switch {
	case f.hub:
		add("base images", none, "Docker Hub or a mirror of it answers")
	case p.registry == none:
		add("base images", none, "the builder has its own way to them")
	case len(p.bases) > 0:
		add("base images", create, p.bases...)
	default:
		add("base images", found, baseimages.Names...)
	}
	return all
}

// fileOperations are what becomes of the project's files.
func fileOperations(files *projectfiles.Files) []operation {
	var all []operation
	missing, existing := files.Secrets()
	if len(missing) > 0 {
		all = append(all, operation{"secrets", create, strings.Join(missing, " ")})
	}
	if existing > 0 {
		all = append(all, operation{"secrets", found, strconv.Itoa(existing)})
	}
	if action, lines := files.Env(); action != none {
		what := strings.Join(lines, " ")
		if action == create {
			what = strings.TrimSpace("from .env.example " + what)
		}
		all = append(all, operation{".env", action, what})
	}
	return all
}

// String gives the plan an operation a line.
func (o operation) String() string { return o.part + ": " + strings.TrimSpace(o.action+" "+o.what) }

// running is how a daemon of setup's runs before setup.
type running struct {
	runs     bool
	asWanted bool // with the configuration that setup would give it, and it answers
}

// action is what becomes of the daemon.
func (r running) action() string {
	switch {
	case r.asWanted:
		return found
	case r.runs:
		return restart
	}
	return start
}

// compare says what becomes of the registry and of a builder that setup starts.
func (p *plan) compare(registry, builder running) {
	if p.registry != none {
		p.registry = registry.action()
	}
	if p.builder == byProcess || p.builder == byContainer {
		p.builders = builder.action()
	}
}

// decide is decisions 1 to 3 of the design: what is missing, and how this machine can get it.
func decide(f facts) (plan, error) {
	var p plan
	if err := p.planEngine(f); err != nil {
		return plan{}, err
	}
	p.planBuilder(f)
	p.planRegistry(f)
	if err := p.planBases(f); err != nil {
		return plan{}, err
	}
	if !f.compiler && f.apt() {
		p.packages = append(p.packages, "gcc", "libc6-dev")
	}
	return p, nil
}

func (f facts) apt() bool { return f.root && (f.distro == "debian" || f.distro == "ubuntu") }

func (p *plan) planEngine(f facts) error {
	switch {
	case f.engine != "" && f.engineMirror != "":
		p.engine = restart
	case f.engine != "":
		p.engine = found
	case f.denied:
		return f.engineError
	case !f.defaultEngine:
		// Somebody chose this engine: another beside it is not what they want.
		return chosenEngine(f.engineError)
	case f.os == "linux" && f.root && f.dockerd != "":
		p.engine = start
	case f.os == "linux" && f.apt():
		p.engine = install
		p.packages = append(p.packages, "docker.io", "iptables")
	default:
		return fault.New(fault.Engine, engineCommand(f)+", then go tool mage setup",
			"no Docker engine: setup installs one on Debian and Ubuntu as root only")
	}
	return nil
}

// chosenEngine is err, whose usual advice, to run setup, does not help where DOCKER_HOST or a context was set.
func chosenEngine(err error) error {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err
	}
	chosen := *e
	chosen.Next = "unset DOCKER_HOST, docker context use default, or start the engine that they name"
	return &chosen
}

// engineCommand is what installs or starts an engine where setup does not.
func engineCommand(f facts) string {
	switch {
	case f.os == "darwin":
		return "brew install --cask docker-desktop && open -a Docker"
	case f.os == "windows":
		return "winget install Docker.DockerDesktop"
	case f.dockerd != "" && f.systemd:
		return "sudo systemctl start docker"
	case f.dockerd != "":
		return "sudo sh -c 'setsid dockerd >/var/log/dockerd.log 2>&1 </dev/null &'"
	}
	switch f.distro {
	case "debian", "ubuntu":
		return "sudo apt-get install -y docker.io && sudo usermod -aG docker $USER, log in again"
	case "fedora":
		return "sudo dnf install -y moby-engine && sudo systemctl enable --now docker"
	case "arch":
		return "sudo pacman -S docker && sudo systemctl enable --now docker"
	case "alpine":
		return "doas apk add docker && doas rc-service docker start"
	}
	return "install Docker: https://docs.docker.com/engine/install/"
}

// planRegistry gives a local registry to a builder that setup configures: the mirror where the Hub can't be reached,
// and the build cache where none was named. Another builder has no key to it: the engine's own, for one, takes
// whoever listens on a port of the loopback for a registry. Elsewhere than on Linux no builder could reach it: they
// run in a virtual machine.
func (p *plan) planRegistry(f facts) {
	switch {
	case f.os != "linux" || p.builder == byHost || p.builder == byEngine || (f.hub && f.cacheRegistry != ""):
		p.registry = none
	default:
		p.registry = start
		p.needProgram(f, "registry")
	}
}

func (p *plan) planBuilder(f facts) {
	switch {
	case f.buildkitHost != "":
		p.builder = byHost
	case f.containerd && f.hub:
		// Without the Hub it is not enough: it does not see the local registry as Docker Hub's mirror.
		p.builder = byEngine
	case f.os == "linux" && f.root && (f.runc || p.engine == install || f.apt()):
		p.builder = byProcess
		p.needProgram(f, "buildkitd")
		for _, name := range pinned.CNIPlugins {
			p.needProgram(f, name)
		}
		if !f.runc && p.engine != install {
			p.packages = append(p.packages, "runc")
		}
	default:
		p.builder = byContainer
	}
}

func (p *plan) needProgram(f facts, name string) {
	if slices.Contains(f.stale, name) {
		p.programs = append(p.programs, name)
	}
}

func (p *plan) planBases(f facts) error {
	if f.hub || len(f.missing) == 0 || p.builder == byHost { // which has its own way to them
		return nil
	}
	p.bases = f.missing
	if !slices.Contains(f.missing, baseimages.Debian) || f.rootfs {
		return nil
	}
	if p.registry == none || !f.apt() || (f.distro != "debian" && f.mirror == "") {
		return fault.New(fault.Registry, mirrorCommand(f),
			"making the base images: %w", errors.New("neither Docker Hub nor a mirror of it answers, and only on "+
				"Debian as root "+
				"(or on Ubuntu with DEBIAN_MIRROR set) can setup make them itself"))
	}
	p.rootfs = true
	if !f.debootstrap {
		p.packages = append(p.packages, "debootstrap")
	}
	return nil
}

// mirrorCommand says how an engine gets a mirror of Docker Hub.
func mirrorCommand(f facts) string {
	const setting = `"registry-mirrors": ["https://mirror.example"]`
	if f.os != "linux" {
		return fmt.Sprintf("add %s in Docker Desktop's settings under Docker Engine, then go tool mage setup", setting)
	}
	return fmt.Sprintf("add %s to /etc/docker/daemon.json, restart Docker, then go tool mage setup", setting)
}
