//go:build integration

package integration

import (
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
)

func TestIntegrationWhatABuildAsksTheBuilderToAllow(t *testing.T) {
	f := newFixture(t, "compose.yaml", `services:
  net: {build: {context: ., network: host, entitlements: [network.host], args: {N: "`+time.Now().String()+`"}}}
  all: {build: {context: ., privileged: true, args: {N: "`+time.Now().String()+`"}}}
`, "Dockerfile", "FROM debian:bookworm-slim\nARG N\nRUN echo $N > /n\n")
	// The builder of the other tests is setup's, which does not allow security.insecure.
	f.write("refused.yaml", "services: {all: {build: {context: ., privileged: true}}}\n")
	t.Setenv("COMPOSE_FILE", f.dir+"/refused.yaml")
	_, err := f.build(t.Context(), "")
	wants(t, err, fault.Config, `building "all"`, "security.insecure is not allowed", "insecure-entitlements")
	t.Setenv("COMPOSE_FILE", f.dir+"/compose.yaml")
	f.on(enginetest.Builder(t)).mustBuild()
}
