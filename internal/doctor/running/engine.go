package running

import (
	"context"
	"slices"
	"time"

	"github.com/moby/moby/api/types/system"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/finding"
)

var engineCheck = check.Check[*subject.Subject]{
	Rules: []check.Rule{
		ruleOf("engine.storage", "a storage driver that copies whole images", check.Engine, finding.Warning,
			"docs.docker.com/engine/storage/drivers/select-storage-driver/"),
		ruleOf("engine.clock", "the engine's clock and this machine's differ", check.Engine, finding.Warning,
			"certificates and tokens are checked by it"),
		ruleOf("engine.warning", "what the engine itself warns of", check.Engine, finding.Info,
			"docker info"),
	},
	Look: func(_ context.Context, s *subject.Subject) ([]check.Finding, error) {
		if s.Engine == nil {
			return nil, check.NotSeen("no engine answers")
		}
		return engineFindings(s.Engine.Info, time.Until(s.Engine.Now())), nil
	},
}

// slowDrivers are storage drivers that copy, or that engines no longer have.
var slowDrivers = []string{"vfs", "devicemapper", "aufs", "overlay"}

// skew is by how much clocks may differ.
const skew = 5 * time.Second

// engineFindings judges what the engine says of itself; ahead is by how much its clock is ahead of ours.
func engineFindings(info system.Info, ahead time.Duration) []check.Finding {
	var out []check.Finding
	if slices.Contains(slowDrivers, info.Driver) {
		out = append(out, check.Warn("engine.storage", "storage-driver: overlay2 in /etc/docker/daemon.json",
			"the engine's storage driver is %s", info.Driver).
			Because("it is slow, copies whole images, or is not in newer engines"))
	}
	if ahead.Abs() > skew {
		out = append(out, check.Warn("engine.clock", "have both set their clocks by NTP",
			"the engine's clock is %s off this machine's", ahead.Round(time.Second)))
	}
	for _, w := range info.Warnings {
		out = append(out, check.Tell("engine.warning", "docker info", "%s", w))
	}
	return out
}
