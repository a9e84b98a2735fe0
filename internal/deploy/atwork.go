package deploy

import (
	"cmp"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/cluster"
)

// AtWork gives the name of the machine that deploys the stack now; "" where none does. Who asks holds this machine's
// lock on the project: a record of this machine's is that of a deploy which was killed.
func AtWork(c cluster.Cluster, now time.Time) string {
	for _, config := range c.Configs {
		if !isRecord(config, c.Stack) {
			continue
		}
		by := config.Spec.Labels[ownerLabel]
		at, err := time.Parse(time.RFC3339, config.Spec.Labels[beatLabel])
		if err == nil && by != owner() && now.Sub(at) <= beatLost {
			machine, _, _ := strings.Cut(by, ":")
			return cmp.Or(machine, "another machine")
		}
	}
	return ""
}

// IsRecord says whether the config of that name is what a deploy of the stack wrote down while it was at work.
func IsRecord(config, stack string) bool { return config == stack+"_"+recordName }
