//go:build integration

package delivery

import (
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// TestIntegrationBetweenContainerdStores sends an image between engines that keep images in containerd's store, and is
// refused where just one of both does.
func TestIntegrationBetweenContainerdStores(t *testing.T) {
	old, registry := enginetest.Connect(t), enginetest.Registry(t)
	from, to := enginetest.Current(t, registry), enginetest.Current(t, registry)
	if !from.ContainerdStore() || old.ContainerdStore() {
		t.Fatal("this test needs an engine of each kind of store")
	}
	_, err := to.SwarmInit(t.Context(), client.SwarmInitOptions{AdvertiseAddr: "127.0.0.1", ListenAddr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	info, err := to.APIClient.Info(t.Context(), client.InfoOptions{})
	if err != nil {
		t.Fatal(err)
	}
	node := testNode{id: info.Info.Swarm.NodeID, name: info.Info.Name, address: to.Host}
	const compose = "name: delivery\nservices:\n  web: {image: 'delivery/store:1', build: .}\n"
	id := enginetest.Image(t, from, "delivery/store:1", nil)
	p, sent := deliver(t, sendRequest(t, from, []testNode{node}, compose))
	for _, name := range []string{id, "delivery/store:1"} {
		if found, err := to.ImageInspect(t.Context(), name); err != nil || found.ID != id {
			t.Errorf("the node has %s under %s, %v; not %s", found.ID, name, err, id)
		}
	}
	if p.Steps[0].Reference != id {
		t.Errorf("tasks run %s, not %s", p.Steps[0].Reference, id)
	}
	t.Logf("%d bytes", sent[0])
	enginetest.Image(t, old, "delivery/store:1", nil)
	_, err = look(t, sendRequest(t, old, []testNode{node}, compose)).Plan(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "in another kind of store than the manager's") {
		t.Errorf("between two kinds of stores: %v", err)
	}
}

// TestIntegrationPushOfAContainerdStore is TestIntegrationWhatIsPushedIsTheEnginesImage with a current engine.
func TestIntegrationPushOfAContainerdStore(t *testing.T) {
	registry := enginetest.Registry(t)
	pushedImage(t, enginetest.Current(t, registry), registry)
}
