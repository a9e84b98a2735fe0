package cluster

import (
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"

	"github.com/25eloquence/compose-mage/internal/engine"
)

func TestWhereDeploysDoNotGo(t *testing.T) {
	worker := swarm.Info{
		LocalNodeState: swarm.LocalNodeStateActive,
		RemoteManagers: []swarm.Peer{{Addr: "[fd00::7]:2377"}, {Addr: "b:1"}},
	}
	for want, info := range map[string]swarm.Info{
		"":                          {LocalNodeState: swarm.LocalNodeStateActive, ControlAvailable: true},
		"next: docker swarm init":   {LocalNodeState: swarm.LocalNodeStateInactive},
		"is in no Swarm":            {},
		"next: docker swarm unlock": {LocalNodeState: swarm.LocalNodeStateLocked},
		"next: DOCKER_HOST=ssh://'[fd00::7]' go tool mage nodes": worker,
		"is error: x509: expired": {
			LocalNodeState: swarm.LocalNodeStateError, Error: "x509: expired",
		},
	} {
		err := CheckFor(&engine.Engine{Host: "unix:///e", Info: system.Info{Swarm: info}}, "nodes")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
