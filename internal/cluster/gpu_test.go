package cluster

import (
	"testing"

	"github.com/moby/moby/api/types/swarm"
)

func TestTheKindOfGPUs(t *testing.T) {
	for want, kinds := range map[string][]swarm.GenericResource{
		"":               {discrete("ssd", 2)},
		"gpu":            {named("gpu", "a"), named("gpu", "b"), discrete("ssd", 2)},
		"NVIDIA-GPU":     {discrete("gpu", 1), named("NVIDIA-GPU", "u"), discrete("nvidia.com/gpu", 1)},
		"AMD-GPU":        {discrete("gpu", 1), discrete("AMD-GPU", 1)},
		"nvidia.com/gpu": {discrete("nvidia.com/gpu", 1)},
	} {
		if got := nodes(node("n"), node("g", offers(kinds...))).GPU(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	most := nodes(node("a", offers(discrete("x-gpu", 1))), node("b", offers(discrete("x-gpu", 1))),
		node("c", offers(discrete("a-gpu", 9))))
	if got := most.GPU(); got != "x-gpu" {
		t.Errorf("got %q", got)
	}
}
