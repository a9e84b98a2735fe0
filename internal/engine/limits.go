package engine

import (
	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// StatsLimit is far above what an engine says of a container with a thousand CPUs and disks.
var StatsLimit = bounded.Limit{What: "stats", Bytes: 8 << 20, Code: fault.Engine, Next: "docker stats --no-stream"}
