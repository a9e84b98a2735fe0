// Command livekit starts LiveKit in a container without a shell: it renders the server's
// configuration from environment variables and secret files into a file only it can read, then
// becomes /livekit-server. It is livekit-front's child, which is the container's program. The server
// itself is github.com/livekit/livekit-server, built from the module this one pins.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
)

const (
	serverPath = "/livekit-server"
	configPath = "/tmp/livekit.yaml"
)

func main() {
	server := flag.String("server", serverPath, "the livekit-server program to become")
	config := flag.String("config", configPath, "where to write the rendered configuration")
	flag.Parse()
	if err := launch(*server, *config); err != nil {
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
