package main

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
	"github.com/25eloquence/compose-mage/bench/internal/rig"
	composefiles "github.com/25eloquence/compose-mage/internal/compose"
)

// stack is what is started.
type stack struct {
	title    string
	files    []string // Compose files for docker compose
	mageFile string   // COMPOSE_FILE for mage; "" where it finds them itself
	graph    graph
	one      string // the service that "one service" restarts
	// said is what a service's log says when it is ready; a group in it is the time, else the engine's stamp is
	// taken.
	said map[string]*regexp.Regexp
	// readiness is what each service last took from the end of the engine's start call to being ready, in seconds.
	readiness map[string]float64
	specs     map[string][]spec // containers to make again, by project
	networks  map[string][]string
	alone     costs
}

// costs are what the engine takes for single calls with nothing else to do, in seconds, and for one probe, in CPU
// seconds.
type costs struct{ network, create, start, probe float64 }

// unmeasured are costs that are not known.
var unmeasured = costs{network: math.NaN(), create: math.NaN(), start: math.NaN(), probe: math.NaN()}

// image is that of the generated stacks' services.
const image = "bench-start/service:latest"

// readyAfter is what the generated stacks' services take.
const readyAfter = time.Second

var ownReady = regexp.MustCompile(`ready (\S+)`)

// makeStack writes the stack of that name.
func (b *bench) makeStack(ctx context.Context, name string, interval time.Duration) (*stack, error) {
	s := &stack{
		said: map[string]*regexp.Regexp{}, readiness: map[string]float64{}, specs: map[string][]spec{},
		networks: map[string][]string{}, alone: unmeasured,
	}
	if name == "six" {
		return s, b.sixServices(ctx, s)
	}
	g, title, err := makeGraph(name)
	if err != nil {
		return nil, err
	}
	s.graph, s.title, s.one = g, fmt.Sprintf("%s, checked every %s", title, interval), g[len(g)/2].name
	file := filepath.Join(b.work, fmt.Sprintf("%s-%s", name, interval), "compose.yaml")
	s.files, s.mageFile = []string{file}, file
	for _, n := range g {
		s.said[n.name], s.readiness[n.name] = ownReady, readyAfter.Seconds()
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("making the stack's directory: %w", err)
	}
	if err := os.WriteFile(file, []byte(composeText(g, interval)), 0o600); err != nil {
		return nil, fmt.Errorf("writing the stack: %w", err)
	}
	return s, nil
}

// composeText is the Compose file of a generated stack.
func composeText(g graph, interval time.Duration) string {
	var t strings.Builder
	fmt.Fprintf(&t, "name: bench\nx-service: &service\n  image: %s\n  environment: {READY_AFTER: %s}\n"+
		"  healthcheck: {test: [CMD, /service, -check], interval: %s, timeout: 5s, retries: 5}\nservices:\n",
		image, readyAfter, interval)
	for _, n := range g {
		var waits []string
		for _, e := range n.after {
			condition := "service_healthy"
			if e.started {
				condition = "service_started"
			}
			waits = append(waits, fmt.Sprintf("%s: {condition: %s}", e.on, condition))
		}
		fmt.Fprintf(&t, "  %s: {<<: *service", n.name)
		if len(waits) > 0 {
			t.WriteString(", depends_on: {" + strings.Join(waits, ", ") + "}")
		}
		t.WriteString("}\n")
	}
	return t.String()
}

// sixServices builds the repository's own stack and gives docker compose the same tier and limits that mage fits.
func (b *bench) sixServices(ctx context.Context, s *stack) error {
	s.title, s.one = "the six services", "api-backend"
	for service, text := range map[string]string{
		"redis": "Ready to accept connections", "livekit": "starting LiveKit server", "whisper-stt": `"listening with `,
		"azure-tts": `"listening"`, "api-backend": `"listening"`, "eloquence-agent-v1": `"waiting for sessions"`,
	} {
		s.said[service] = regexp.MustCompile(text)
	}
	for _, pair := range b.sixEnvironment() {
		name, value, _ := strings.Cut(pair, "=")
		if err := os.Setenv(name, value); err != nil { // for the loader
			return err
		}
	}
	loaded, err := composefiles.Load(ctx, composefiles.Request{Dir: b.root, Machine: b.engine.Machine()})
	if err != nil {
		return err
	}
	for name, secret := range loaded.Project.Secrets {
		if _, err := os.Stat(secret.File); err != nil {
			return fmt.Errorf("the secret %q: %w; `go tool mage setup` makes it", name, err)
		}
	}
	s.graph, s.files = graphOf(loaded.Project), loaded.Files
	var overlay strings.Builder
	overlay.WriteString("services:\n")
	for _, n := range s.graph {
		d := loaded.Project.Services[n.name].Deploy
		if d == nil || d.Resources.Limits == nil || d.Resources.Limits.NanoCPUs <= 0 {
			continue
		}
		cpus := float64(d.Resources.Limits.NanoCPUs)
		fmt.Fprintf(&overlay, "  %s: {deploy: {resources: {limits: {cpus: \"%g\"}}}}\n", n.name, cpus)
	}
	file := filepath.Join(b.work, "six-limits.yaml")
	if err := os.WriteFile(file, []byte(overlay.String()), 0o600); err != nil {
		return fmt.Errorf("writing an overlay: %w", err)
	}
	s.files = append(slices.Clone(s.files), file)
	rig.Say("building the six services with mage")
	cmd := b.mageCommand(ctx, s, []string{"go", "tool", "mage", "build"})
	cmd.Env = append(cmd.Env, "CACHE_WRITE=false", "COMPOSE_MAGE_STATE="+os.Getenv("COMPOSE_MAGE_STATE"))
	if b.builder != "" {
		cmd.Env = append(cmd.Env, "BUILDKIT_HOST="+b.builder)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the six services: %w: %s", err, figures.LastWords(out))
	}
	return nil
}

// sixEnvironment gives the six services images, project and ports of their own, so that a stack that runs is left
// alone.
func (b *bench) sixEnvironment() []string {
	env := []string{"IMAGE_PREFIX=bench-start", "COMPOSE_PROFILES=agent-v1"}
	for i, name := range []string{
		"LIVEKIT_PORT", "LIVEKIT_TCP_PORT", "LIVEKIT_UDP_PORT", "WHISPER_PORT", "AZURE_TTS_PORT",
		"API_PORT", "AGENT_PORT",
	} {
		env = append(env, fmt.Sprintf("%s=%d", name, b.ports[i]))
	}
	return env
}

// freePorts finds ports on which nothing listens.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding free ports: %w", err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
