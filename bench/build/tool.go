package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
)

// tool is one of the programs that are compared. All of them build a stack's Compose file on the same builder and
// load the images into the same engine, each under its own prefix.
type tool struct {
	name, title string
	prefix      string // of the images' names
	// command is the whole process that is timed.
	command func(b *bench, s *stack, r request) *exec.Cmd
	// steps: its output is BuildKit's raw progress, so that it tells how long each step took.
	steps bool
	alone bool // builds the edited service only
}

func (t tool) id() string { return t.name }

// request is what a run is asked beside building.
type request struct {
	ctx      context.Context
	host     string // DOCKER_HOST
	from, to bool   // import and export the registry cache
}

func allTools() []tool {
	return []tool{
		{
			name: "mage-fast", title: "fast mage", prefix: "bench-mage", steps: true,
			command: func(b *bench, s *stack, r request) *exec.Cmd {
				cmd := mageCommand(b, s, r, b.mage, "build", "-progress=rawjson")
				cmd.Env = append(cmd.Env, "MAGEFILE_HASHFAST=1")
				return cmd
			},
		},
		// What the service that changes costs alone, for "one service changed".
		{
			name: "mage-one", title: "fast mage, that service alone", prefix: "bench-mage", steps: true, alone: true,
			command: func(b *bench, s *stack, r request) *exec.Cmd {
				cmd := mageCommand(b, s, r, b.mage, "build", "-services="+s.service, "-progress=rawjson")
				cmd.Env = append(cmd.Env, "MAGEFILE_HASHFAST=1")
				return cmd
			},
		},
		{name: "mage", title: "mage", prefix: "bench-mage", command: mageBuild},
		{name: "bake", title: "bake", prefix: "bench-bake", command: bake, steps: true},
		{name: "compose", title: "compose build", prefix: "bench-compose", command: composeBuild},
	}
}

func mageBuild(b *bench, s *stack, r request) *exec.Cmd {
	return mageCommand(b, s, r, "go", "tool", "mage", "build")
}

// mageCommand runs Mage, however it is started, on the stack.
func mageCommand(b *bench, s *stack, r request, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(r.ctx, program, args...)
	cmd.Dir = s.root
	cache := "none"
	if r.from || r.to { // ours is one setting: it imports what there is and exports when a step ran
		cache = b.cache.Address + "/bench-mage"
	}
	cmd.Env = append(b.environment(r, "bench-mage"), "CACHE_REGISTRY="+cache, "COMPOSE_MAGE_STATE="+b.state,
		"MAGEFILE_CACHE="+filepath.Join(b.work, "magefile"))
	return cmd
}

func bake(b *bench, s *stack, r request) *exec.Cmd {
	args := []string{
		"bake", "--builder", b.bakeBuilder, "--load", "--progress", "rawjson", "-f", filepath.Base(s.compose),
	}
	if b.ca != "" {
		args = append(args, "--set", "*.secrets=id=ca,src="+b.ca)
	}
	for _, service := range s.services {
		if r.from {
			args = append(args, "--set", service+".cache-from="+b.cacheFrom("bench-bake", service))
		}
		if r.to {
			args = append(args, "--set", service+".cache-to="+b.cacheTo("bench-bake", service))
		}
	}
	cmd := exec.CommandContext(r.ctx, b.buildx, args...)
	cmd.Dir = filepath.Dir(s.compose) // bake takes contexts to be relative to where it runs
	cmd.Env = b.environment(r, "bench-bake")
	return cmd
}

func composeBuild(b *bench, s *stack, r request) *exec.Cmd {
	args := []string{"-f", s.compose, "-f", s.overlay(b, r), "--profile", "*", "build", "--builder", b.bakeBuilder}
	cmd := exec.CommandContext(r.ctx, b.compose, args...)
	cmd.Dir = filepath.Dir(s.compose)
	cmd.Env = b.environment(r, "bench-compose")
	return cmd
}

// overlay names the Compose overlay that gives the services what `docker compose build` has no option for: the CA
// bundle as a secret, and the caches. It is written with the stack.
func (s *stack) overlay(b *bench, r request) string {
	name := "overlay"
	if r.from {
		name += "-from"
	}
	if r.to {
		name += "-to"
	}
	return filepath.Join(b.work, s.name+"-"+name+".yaml")
}

// overlayText is the overlay for these services.
func overlayText(b *bench, s *stack, r request) string {
	if b.ca == "" && !r.from && !r.to {
		return "services: {}\n"
	}
	var t strings.Builder
	t.WriteString("services:\n")
	for _, service := range s.services {
		t.WriteString("  " + service + ":\n    build:\n")
		if b.ca != "" {
			t.WriteString("      secrets: [ca]\n")
		}
		if r.from {
			t.WriteString("      cache_from: [\"" + b.cacheFrom("bench-compose", service) + "\"]\n")
		}
		if r.to {
			t.WriteString("      cache_to: [\"" + b.cacheTo("bench-compose", service) + "\"]\n")
		}
	}
	if b.ca != "" {
		t.WriteString("secrets: {ca: {file: \"" + b.ca + "\"}}\n")
	}
	return t.String()
}

func (b *bench) cacheFrom(prefix, service string) string {
	return "type=registry,ref=" + b.cache.Address + "/" + prefix + "/" + service + ":cache"
}

func (b *bench) cacheTo(prefix, service string) string {
	return b.cacheFrom(prefix, service) + ",mode=max"
}
