package stack

import (
	"os"
	"strings"

	"github.com/25eloquence/compose-mage/internal/buildcache"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/state"
)

// The environment variables that say where the build cache is, and whether it is written.
const (
	CacheVariable      = "CACHE_REGISTRY" // "host:port", "host/path", "type=…"; "none" for no cache
	CacheWriteVariable = "CACHE_WRITE"    // "false" to read only, as for a pull request from a fork
	CacheMainVariable  = "CACHE_MAIN"     // the branch whose cache every branch reads; "main" by default
)

// cacheRegistry is CACHE_REGISTRY, or the registry that setup made: for setup's own builder, since no other has the
// keys.
func (s *Stack) cacheRegistry() string {
	if v := os.Getenv(CacheVariable); v != "" {
		return v
	}
	if s.Builder() != s.setup.Builder {
		return ""
	}
	return s.setup.Registry
}

// cache is where the build cache is for the branch that is checked out.
func (p *project) cache() (buildcache.Cache, error) {
	c, err := buildcache.Parse(p.cacheRegistry())
	if err != nil || c.Type == "" {
		return c, err
	}
	if host, _, _ := strings.Cut(c.Prefix, "/"); c.Type == "registry" && host == p.setup.Registry {
		dir, err := state.Dir()
		if err != nil {
			return c, err
		}
		c.Local = registry.Open(dir, host)
	}
	switch v := os.Getenv(CacheWriteVariable); v {
	case "", "true", "1":
	case "false", "0":
		c.Write = false
	default:
		return c, fault.New(fault.Usage, "unset "+CacheWriteVariable,
			"%s=%q is neither true nor false", CacheWriteVariable, v)
	}
	if v := os.Getenv(CacheMainVariable); v != "" {
		c.Main, c.Branch = v, v
	}
	if branch := buildcache.Branch(p.model.Project.WorkingDir, os.LookupEnv); branch != "" {
		c.Branch = branch
	}
	return c, nil
}
