//go:build integration

package integration

import (
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// TestIntegrationStartOnACurrentEngine has in one project what engines since 20.10 do in another way: start_interval,
// several networks in one create, and container addresses that this process can't reach.
func TestIntegrationStartOnACurrentEngine(t *testing.T) {
	enginetest.Current(t, enginetest.Registry(t)) // which the fixture connects to
	f := newFixture(t, "compose.yaml", `services:
  db: `+lateReady(t)+`
    networks: [one, two]
  fast: {<<: *slow, healthcheck: {test: [CMD, test, -e, /ready], interval: 60s, start_period: 30s, start_interval: 200ms}}
  hangs:
    <<: *slow
    command: [sleep, "1000"]
    healthcheck:
      test: [CMD-SHELL, 'n=$$(cat /n || echo 0); echo $$((n+1)) > /n; [ $$n -ge 1 ] || sleep 2000']
      interval: 60s
      timeout: 500ms
  port: {<<: *slow, healthcheck: {disable: true}, ports: ["127.0.0.1::80"]}
  once: {<<: *slow, healthcheck: {disable: true}, command: ["true"], depends_on: {db: {condition: service_healthy}}}
  web: {<<: *slow, networks: [one, two], depends_on: {db: {condition: service_healthy}, fast: {condition: service_healthy}, hangs: {condition: service_healthy}, port: {condition: service_started}, once: {condition: service_completed_successfully}}}
networks: {one: {}, two: {}}
`)
	f.mustStart()
	if d := f.startedAt("web").Sub(f.startedAt("db")); d < 700*time.Millisecond {
		t.Errorf("web was started %s after db", d)
	}
	if n := len(f.all("web")[0].NetworkSettings.Networks); n != 2 {
		t.Errorf("web is in %d networks", n)
	}
}
