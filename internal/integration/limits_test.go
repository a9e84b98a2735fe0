//go:build integration

package integration

import (
	"context"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/status"
)

// Limits far above any machine, in each spelling: the engine takes what clamping made of them, and has it in force.
// It used to refuse the container whose mem_reservation was left above its clamped mem_limit.
func TestIntegrationClampedLimitsStart(t *testing.T) {
	base := "    image: " + enginetest.Base(t) +
		"\n    init: true\n    command: [sleep, '1000']\n    stop_grace_period: 1s\n"
	f := newFixture(t, "compose.yaml", `services:
  old:
`+base+`    mem_limit: 4096g
    mem_reservation: 2048g
    memswap_limit: 4096g
  mixed:
`+base+`    mem_limit: 4096g
    deploy: {resources: {reservations: {memory: 2048g}}}
  quota:
`+base+`    cpu_period: 50000
    cpu_quota: 51200000
  new:
`+base+`    deploy: {resources: {limits: {memory: 4096g, cpus: "1024"}, reservations: {memory: 2048g}}}
`)
	f.mustStart()
	machine := f.engine.Machine()
	for _, service := range []string{"old", "mixed", "new"} {
		if got := f.all(service)[0].HostConfig; got.Memory != machine.Memory ||
			got.MemoryReservation != machine.Memory {
			t.Errorf("%s has a limit of %d and a reservation of %d bytes, want the machine's %d for both", service,
				got.Memory, got.MemoryReservation, machine.Memory)
		}
	}
	if got, want := f.all("quota")[0].HostConfig.CPUQuota, int64(machine.CPUs)*50_000; got != want {
		t.Errorf("cpu_quota is %d, want %d", got, want)
	}
	found, err := status.Misfits(context.Background(), f.engine, f.load().Project)
	if err != nil || strings.Contains(strings.Join(found, "\n"), "not in force") {
		t.Errorf("got %q, %v", found, err)
	}
}
