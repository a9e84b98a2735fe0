package provision

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/docker/cli/cli/config"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/pinned"
	"github.com/25eloquence/compose-mage/internal/stepnet"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// cniPool is how many networks the builder keeps ready: one for each step that is likely to run at a time.
var cniPool = max(4, runtime.NumCPU())

func (s *setup) cniConfig() string { return filepath.Join(s.dir, "buildkitd.conflist") }

// cniLeases has the addresses that steps have. They end with the builder.
func (s *setup) cniLeases() string { return filepath.Join(s.dir, "run", "addresses") }

// stepNetwork puts the rules of the network of build steps in place, before any step can run in it. The error says
// why this machine can't have one.
func (s *setup) stepNetwork(ctx context.Context) (stepnet.Network, error) {
	n, err := s.chooseNetwork()
	if err != nil {
		return n, err
	}
	for _, name := range pinned.CNIPlugins {
		if _, err := os.Stat(s.programs.Path(name)); err != nil {
			return n, fmt.Errorf("the CNI plugin %s is not built", name)
		}
	}
	// Before the rules, so that teardown finds them after a kill.
	s.state.Network = &n
	if err := s.state.save(s.dir); err != nil {
		return n, err
	}
	return n, n.Guard(ctx)
}

// chooseNetwork chooses the network of build steps and changes nothing.
func (s *setup) chooseNetwork() (stepnet.Network, error) {
	if daemon.LookPath("iptables") == "" {
		return stepnet.Network{}, errors.New("iptables is not installed")
	}
	if err := stepnet.NameServers(); err != nil {
		return stepnet.Network{}, err
	}
	ports, err := stepnet.Ports(s.proxies())
	if err != nil {
		return stepnet.Network{}, err
	}
	own, err := stepnet.Choose(s.dir, nil, nil, nil)
	if err != nil {
		return stepnet.Network{}, err
	}
	taken, err := stepnet.Taken(own.Bridge)
	if err != nil {
		return stepnet.Network{}, err
	}
	return stepnet.Choose(s.dir, s.state.Network, taken, ports)
}

// proxies are those that builds are given: of the environment, of the project's .env and of the Docker configuration.
func (s *setup) proxies() []string {
	var proxies []string
	for _, name := range stepnet.ProxyVariables {
		for _, name := range []string{name, strings.ToLower(name)} {
			proxies = append(proxies, os.Getenv(name))
			if s.project != nil {
				proxies = append(proxies, s.project.Environment[name])
			}
		}
	}
	host := ""
	if s.engine != nil {
		host = s.engine.Host
	}
	for name, value := range config.LoadDefaultConfigFile(ui.New(os.Stderr).Writer()).ParseProxyConfig(host, nil) {
		if value != nil && !strings.EqualFold(name, "NO_PROXY") {
			proxies = append(proxies, *value)
		}
	}
	return proxies
}

func proxySentence(n stepnet.Network) string {
	if len(n.Ports) == 0 {
		return ""
	}
	return fmt.Sprintf(", but for the proxies there (port %s)",
		strings.Trim(strings.ReplaceAll(fmt.Sprint(n.Ports), " ", ", "), "[]"))
}

func firstLine(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}
