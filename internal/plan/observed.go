package plan

import (
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/recreate"
)

// Observed is what the engine has of a project, as far as a plan depends on it.
type Observed struct {
	Containers map[string][]container.Replica // by service
	Changes    map[string]recreate.Change     // of the services that are not as they should be, by name
	Networks   map[string]bool                // keys of the networks that are made anew, as their settings changed
	Resources  []string                       // "network NAME", "volume NAME": what containers lack that are there
	Anew       map[string]int                 // how many containers of a service Compose makes anew of itself
	// BeyondCompose are the services whose containers Compose would keep, and that are made anew all the same, and
	// why.
	BeyondCompose map[string]string
	Hooks         map[string]bool // services of which Compose makes containers for hooks
	Kept          []string        // a sentence for each volume that stays although its settings changed
}

// recreated is how many of the service's containers are made anew, where any are: all, where Compose would keep them.
func (o Observed) recreated(s Step) int {
	if n := o.Anew[s.Service]; n > 0 {
		return n
	}
	return min(s.Have, s.Replicas)
}
