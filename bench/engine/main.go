//go:build linux

// Command engine runs a current Docker Engine, built from its Go modules, beside the machine's own until it is
// interrupted:
//
//	go -C bench run ./engine -dir /var/tmp/current
//	docker -H unix:///var/tmp/current/docker.sock info
//
// It needs root, runc and iptables. Images stay in the directory; to remove it, stop the engine first.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
	"github.com/25eloquence/compose-mage/internal/enginetest/current"
)

func main() {
	dir := flag.String("dir", filepath.Join(os.TempDir(), "current"), "where the engine's files and its socket lie")
	registry := flag.String("registry", os.Getenv("TEST_REGISTRY"),
		"registry on this machine that is Docker Hub's mirror; empty for none")
	loopback := flag.String("loopback", "",
		"comma-separated host:port on this machine's loopback that the engine is to reach too")
	flag.Parse()
	o := current.Options{Dir: *dir, Registry: *registry}
	if *loopback != "" {
		o.Loopback = strings.Split(*loopback, ",")
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

// run starts the engine and stops it when told to.
func run(o current.Options) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	if err := rig.EnterRepository(ctx); err != nil {
		return err
	}
	engine, err := current.Start(ctx, o)
	if err != nil {
		return err
	}
	fmt.Println("DOCKER_HOST=" + engine.Host)
	select {
	case <-ctx.Done():
	case <-engine.Ended():
		fmt.Fprintln(os.Stderr, "the engine has ended; see "+engine.Log)
	}
	return engine.Stop()
}
