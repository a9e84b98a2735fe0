package cluster

import (
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
)

func TestConstraints(t *testing.T) {
	n := node("gpu1", labelled("gpu", "True"))
	n.Spec.Role = swarm.NodeRoleManager
	n.Status.Addr = "10.1.2.3"
	n.Description.Engine.Labels = map[string]string{"zone": "eu"}
	for text, want := range map[string]bool{
		"node.id==id-gpu1": true, "node.id == ID-GPU1": true, "node.id!=id-gpu1": false, "node.id!=other": true,
		"node.hostname==gpu1": true, "node.hostname==gpu": false, "NODE.HOSTNAME!=gpu1": false,
		"node.role==manager": true, "node.role!=manager": false, "node.role==worker": false,
		"node.role != worker": true, "node.role==boss": false,
		"node.platform.os==linux": true, "node.platform.os!=linux": false,
		"node.platform.arch==x86_64": true, "node.platform.arch==amd64": false, "node.platform.arch!=aarch64": true,
		"node.labels.gpu==true": true, "node.labels.gpu!=true": false, "node.labels.GPU==true": false,
		"NODE.LABELS.gpu==true": true, "node.labels.ssd==yes": false, "node.labels.ssd!=yes": true,
		"engine.labels.zone==eu": true, "engine.labels.zone!=eu": false, "engine.labels.x!=y": true,
		"engine.labels.x==y": false,
		"node.ip==10.1.2.3":  true, "node.ip!=10.1.2.3": false, "node.ip==10.1.0.0/16": true,
		"node.ip!=10.1.0.0/16": false, "node.ip==10.2.0.0/16": false, "node.ip!=10.2.0.0/16": true,
		"node.ip==nowhere": false, "node.ip!=nowhere": false,
		"node.zone==eu": false, "node.zone!=eu": false, "node.labels.==eu": false,
	} {
		parsed, err := parseConstraints([]string{text})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := parsed[0].met(n); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

func TestConstraintsThatMeanNothing(t *testing.T) {
	for text, want := range map[string]string{
		"node.id":           "neither == nor !=",
		"node.id=x":         "neither == nor !=",
		"node.id=~x":        "neither == nor !=",
		"==x":               `"" is no key`,
		"a b==x":            `"a b" is no key`,
		"node.id==":         `"" is no value`,
		"node.id==a==b":     `"a==b" is no value`,
		"node.labels.a==<b": `"<b" is no value`,
	} {
		if _, err := parseConstraints([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	err := nodes(node("n")).Fit("a", service("a", 1, constrained("node.id"))).Err()
	if err == nil || !strings.Contains(err.Error(), `service "a": constraint "node.id" has neither`) {
		t.Errorf("got %v", err)
	}
}

func TestConstraintsSayWhatWouldHelp(t *testing.T) {
	n := node("web 1", labelled("disk", "hdd"))
	for text, want := range map[string]string{
		"node.labels.gpu==true":  `the node has no label gpu (docker node update --label-add gpu=true 'web 1')`,
		"node.labels.disk==ssd":  `it is "hdd" (docker node update --label-add disk=ssd 'web 1')`,
		"node.labels.disk!=hdd":  `it is "hdd" (docker node update --label-rm disk 'web 1')`,
		"engine.labels.zone==eu": "the engine has no label zone (the labels of an engine are in its daemon.json)",
		"node.role==manager":     `it is "worker" (docker node promote 'web 1')`,
		"node.role!=worker":      `it is "worker" (docker node promote 'web 1')`,
		"node.hostname==x":       `constraint node.hostname==x is not met: it is "web 1"`,
		"node.zone==x":           "never met: a Swarm has no node.zone",
	} {
		parsed, err := parseConstraints([]string{text})
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed[0].reason(n).String(); !strings.HasSuffix(got, want) {
			t.Errorf("%s: got %s", text, got)
		}
	}
	n.Spec.Role = swarm.NodeRoleManager
	for _, text := range []string{"node.role==worker", "node.role!=manager"} {
		parsed, _ := parseConstraints([]string{text})
		if got := parsed[0].reason(n).Remedy; got != "docker node demote 'web 1'" {
			t.Errorf("%s: got %q", text, got)
		}
	}
}
