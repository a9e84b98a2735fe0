package cluster

import "strings"

// GPU is the kind under which nodes of the Swarm offer GPUs as a generic resource; "" where none does. NVIDIA-GPU is
// what NVIDIA's documentation has people write; of other kinds it is the one that most nodes have.
func (c Cluster) GPU() string {
	count := map[string]int{}
	for _, n := range c.Nodes {
		for kind := range generics(n.Description.Resources.GenericResources) {
			if strings.Contains(strings.ToLower(kind), "gpu") {
				count[kind]++
			}
		}
	}
	best := ""
	for kind, n := range count {
		switch {
		case best == "NVIDIA-GPU":
		case best == "", kind == "NVIDIA-GPU", n > count[best], n == count[best] && kind < best:
			best = kind
		}
	}
	return best
}
