package stack

import (
	"github.com/docker/cli/cli/config"

	"github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/solve"
	"github.com/25eloquence/compose-mage/internal/stepnet"
)

// buildEnvironment is what builds take from the project and the machine. dir is the state's.
func (p *project) buildEnvironment(dir string) (solve.Environment, error) {
	lock, err := p.lockedBases(dir)
	if err != nil {
		return solve.Environment{}, err
	}
	var made bases.Lock
	if p.Builder() == p.setup.Builder {
		if made, err = bases.ReadMade(dir); err != nil {
			return solve.Environment{}, err
		}
	}
	proxies := map[string]string{}
	configured := config.LoadDefaultConfigFile(p.errors.Writer()).ParseProxyConfig(p.engine.Host, nil)
	for name, value := range configured {
		if value != nil {
			proxies[name] = *value
		}
	}
	return solve.Environment{
		Steps: p.setup.StepNetwork(p.Builder()), Lookup: p.model.Project.Environment.Resolve, Proxies: proxies,
		CABundle: stepnet.CABundle(), Secrets: p.model.Project.Secrets, Policy: lock.Policy(),
		PullPolicy: made.Policy(),
	}, nil
}

// lockedBases are those of docker/bases.lock and, for the builder that setup made, those that setup locked. dir is
// the state's.
func (s *Stack) lockedBases(dir string) (bases.Lock, error) {
	if s.Builder() == s.setup.Builder {
		return bases.ReadAll(bases.File(), dir)
	}
	return bases.Read(bases.File())
}
