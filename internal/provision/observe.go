package provision

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/docker/cli/cli/config"

	"github.com/25eloquence/compose-mage/internal/baseimages"
	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// hubURL answers 401 to who has no token, which is as good as 200 here.
const hubURL = "https://registry-1.docker.io/v2/"

// observe looks at the machine. What takes long runs at the same time.
func (s *setup) observe(ctx context.Context) (facts, error) {
	f := facts{
		os: runtime.GOOS, root: os.Geteuid() == 0, distro: distro("/etc/os-release"),
		buildkitHost: os.Getenv("BUILDKIT_HOST"), cacheRegistry: os.Getenv("CACHE_REGISTRY"),
		mirror:        os.Getenv("DEBIAN_MIRROR"),
		defaultEngine: defaultEngine(), dockerd: daemon.LookPath("dockerd"),
		// Only this repository's own tests compile C, for the race detector.
		compiler: !s.checkout || daemon.LookPath("gcc") != "",
		runc:     daemon.LookPath("runc") != "", debootstrap: daemon.LookPath("debootstrap") != "",
	}
	if f.buildkitHost == "unix://"+s.socket() {
		f.buildkitHost = "" // which is ours
	}
	_, err := os.Stat("/run/systemd/system")
	f.systemd = err == nil
	var hub bool
	var probes sync.WaitGroup
	probes.Go(func() { hub = answers(ctx, hubURL, 5*time.Second) })
	probes.Go(func() { s.observeEngine(ctx, &f) })
	probes.Wait()
	if err := ctx.Err(); err != nil {
		return f, err
	}
	if !hub && s.engine != nil {
		s.mirror = workingMirror(ctx, s.engine)
	}
	f.hub = hub || s.mirror != ""
	if err := s.observeRegistry(ctx, &f); err != nil {
		return f, err
	}
	f.rootfs = baseimages.HasRootfs(s.dir)
	f.stale, err = s.programs.Stale()
	return f, err
}

func (s *setup) observeEngine(ctx context.Context, f *facts) {
	e, err := engine.Connect(ctx)
	if err != nil {
		f.engineError = err
		f.denied = fault.EngineForbidden(err)
		return
	}
	s.engine = e
	f.engine, f.engineLocal, f.containerd = e.Host, e.Local(), e.ContainerdStore()
	f.engineMirror = s.engineMirror()
}

// observeRegistry settles the registry's address, and which bases it lacks by its files.
func (s *setup) observeRegistry(ctx context.Context, f *facts) error {
	addr, err := s.registryAddress(ctx)
	if err != nil {
		return err
	}
	f.registry = addr
	if f.hub {
		return nil
	}
	f.missing, err = baseimages.Missing(s.dir, s.out)
	return err
}

// workingMirror gives the host of the first mirror of Docker Hub that the engine has and that answers. A loopback one
// is no mirror of the Hub: it is what an earlier setup gave the engine.
func workingMirror(ctx context.Context, e *engine.Engine) string {
	if e.Info.RegistryConfig == nil {
		return ""
	}
	for _, mirror := range e.Info.RegistryConfig.Mirrors {
		u, err := url.Parse(mirror)
		if err != nil {
			continue
		}
		if ip := net.ParseIP(u.Hostname()); ip.IsLoopback() || u.Hostname() == "localhost" {
			continue
		}
		if answers(ctx, strings.TrimSuffix(mirror, "/")+"/v2/", 5*time.Second) {
			return u.Scheme + "://" + u.Host
		}
	}
	return ""
}

// answers says whether url gives 200, or 401 as registries do to who has no token.
func answers(ctx context.Context, url string, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusUnauthorized
}

// distro reads ID and ID_LIKE of an os-release file.
func distro(path string) string {
	data, err := bounded.ReadFile(path)
	if err != nil {
		return ""
	}
	value := func(key string) string {
		for line := range strings.Lines(string(data)) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
				return strings.Trim(v, `"'`)
			}
		}
		return ""
	}
	id := value("ID")
	if id == "debian" || id == "ubuntu" {
		return id
	}
	for _, like := range strings.Fields(value("ID_LIKE")) {
		if like == "ubuntu" || like == "debian" {
			// A derivative has docker.io too, but its apt sources are not Debian's: as on Ubuntu.
			return "ubuntu"
		}
	}
	return id
}

// defaultEngine says whether nobody chose an engine: the docker command would use this machine's own.
func defaultEngine() bool {
	if os.Getenv("DOCKER_HOST") != "" {
		return false
	}
	name := os.Getenv("DOCKER_CONTEXT")
	if name == "" {
		name = config.LoadDefaultConfigFile(io.Discard).CurrentContext
	}
	return name == "" || name == "default"
}
