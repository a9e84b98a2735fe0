package delivery

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"
)

func TestAddressesOfNodes(t *testing.T) {
	node := func(id, name string) swarm.Node {
		return swarm.Node{ID: id, Description: swarm.NodeDescription{Hostname: name}}
	}
	nodes := []swarm.Node{node("1a", "one"), node("2b", "two"), node("3c", "same"), node("4d", "same")}
	for name, c := range map[string]struct {
		addresses map[string]string
		want      map[string]string
		err       string
	}{
		"none":          {nil, map[string]string{}, ""},
		"by name":       {map[string]string{"one": "ssh://x"}, map[string]string{"1a": "ssh://x"}, ""},
		"by ID":         {map[string]string{"4d": "ssh://x"}, map[string]string{"4d": "ssh://x"}, ""},
		"both, same":    {map[string]string{"one": "ssh://x", "1a": "ssh://x"}, map[string]string{"1a": "ssh://x"}, ""},
		"both, others":  {map[string]string{"one": "ssh://x", "1a": "ssh://y"}, nil, "two addresses"},
		"nobody":        {map[string]string{"twoo": "ssh://x"}, nil, `no node "twoo" (did you mean "two"?)`},
		"two of a name": {map[string]string{"same": "ssh://x"}, nil, "name them by their IDs"},
	} {
		got, err := matchNodes(c.addresses, nodes)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) ||
			err == nil && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestAnotherNodesEngine(t *testing.T) {
	n := &nodeEngine{id: "1a", name: "one", address: "ssh://ops@one"}
	for id, want := range map[string]string{
		"1a": "", "": "it is in no Swarm", "2b": `it is another node's, that of "two"`,
	} {
		info := system.Info{Name: "two"}
		info.Swarm.NodeID = id
		err := n.isNode(info)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestCredentialsAreNotPrinted(t *testing.T) {
	p := Pinned{Reference: "x", Auth: "Z2VoZWlt"}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(text), fmt.Sprintf("%v %+v %#v", p, p, p)} {
		if strings.Contains(shown, "Z2VoZWlt") {
			t.Errorf("the login is in %s", shown)
		}
	}
}
