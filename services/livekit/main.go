// Command livekit starts LiveKit in a container without a shell: it renders the server's
// configuration from environment variables and secret files into a file only it can read, then
// becomes /livekit-server. With -health it is the container's health check instead. The server
// itself is github.com/livekit/livekit-server, built from the module this one pins.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	serverPath    = "/livekit-server"
	configPath    = "/tmp/livekit.yaml"
	healthURL     = "http://127.0.0.1:7880/"
	healthTimeout = 2 * time.Second
)

func main() {
	health := flag.Bool("health", false, "ask the running server for its health and exit 0 or 1")
	server := flag.String("server", serverPath, "the livekit-server program to become")
	config := flag.String("config", configPath, "where to write the rendered configuration")
	flag.Parse()
	var err error
	if *health {
		err = probe(context.Background(), healthURL)
	} else {
		err = launch(*server, *config)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "livekit:", err)
		os.Exit(1)
	}
}

// launch only returns if it fails: on success this process is the server.
func launch(server, config string) error {
	settings, err := fromEnvironment(os.Getenv)
	if err != nil {
		return err
	}
	if err := settings.write(config); err != nil {
		return err
	}
	if err := syscall.Exec(server, []string{server, "--config", config}, serverEnvironment(os.Environ())); err != nil { // #nosec G204 -- a fixed program
		return fmt.Errorf("starting %q: %w", server, err)
	}
	return nil
}

// serverEnvironment leaves out what this launcher consumed: livekit-server reads LIVEKIT_* and
// REDIS_* variables as flags of its own, which would then override the rendered configuration.
func serverEnvironment(environment []string) []string {
	kept := make([]string, 0, len(environment))
	for _, variable := range environment {
		if !strings.HasPrefix(variable, "LIVEKIT_") && !strings.HasPrefix(variable, "REDIS_") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// probe passes on a 200; LiveKit answers 406 when its own node statistics have gone stale.
func probe(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("asking for health: %s", answer.Status)
	}
	return nil
}
