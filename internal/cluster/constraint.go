package cluster

import (
	"fmt"
	"net"
	"regexp"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// constraint is one entry of deploy.placement.constraints.
type constraint struct {
	text, key string
	equal     bool // ==, else !=
	value     string
}

// These are the expressions of github.com/moby/swarmkit/v2/manager/constraint: what they don't match the manager
// refuses.
var (
	constraintKey   = regexp.MustCompile(`^(?i)[a-z_][a-z0-9\-_.]+$`)
	constraintValue = regexp.MustCompile(`^(?i)[a-z0-9:\-_\s\.\*\(\)\?\+\[\]\\\^\$\|\/]+$`)
)

// parseConstraints reads them as the manager does.
func parseConstraints(texts []string) ([]constraint, error) {
	var out []constraint
	for _, text := range texts {
		key, value, equal := strings.Cut(text, "==")
		if !equal {
			var differs bool
			if key, value, differs = strings.Cut(text, "!="); !differs {
				return nil, fmt.Errorf("constraint %q has neither == nor !=", text)
			}
		}
		c := constraint{text: text, key: strings.TrimSpace(key), equal: equal, value: strings.TrimSpace(value)}
		switch {
		case !constraintKey.MatchString(c.key):
			return nil, fmt.Errorf("constraint %q: %q is no key", text, c.key)
		case !constraintValue.MatchString(c.value):
			return nil, fmt.Errorf("constraint %q: %q is no value that a Swarm takes", text, c.value)
		}
		out = append(out, c)
	}
	return out, nil
}

const (
	nodeLabel   = "node.labels."
	engineLabel = "engine.labels."
)

// label gives the name of the label that a constraint is about, where its key begins with the prefix.
func (c constraint) label(prefix string) (string, bool) {
	if len(c.key) > len(prefix) && strings.EqualFold(c.key[:len(prefix)], prefix) {
		return c.key[len(prefix):], true
	}
	return "", false
}

// actual is what a node has for the constraint's key; known is false for a key that no node has.
func (c constraint) actual(n swarm.Node) (value string, known bool) {
	if label, ok := c.label(nodeLabel); ok {
		return n.Spec.Labels[label], true
	}
	if label, ok := c.label(engineLabel); ok {
		return n.Description.Engine.Labels[label], true
	}
	switch strings.ToLower(c.key) {
	case "node.id":
		return n.ID, true
	case "node.hostname":
		return n.Description.Hostname, true
	case "node.role":
		return string(n.Spec.Role), true
	case "node.platform.os":
		return n.Description.Platform.OS, true
	case "node.platform.arch":
		return n.Description.Platform.Architecture, true
	case "node.ip":
		return n.Status.Addr, true
	}
	return "", false
}

// met says whether the node satisfies the constraint, as the Swarm's scheduler compares.
func (c constraint) met(n swarm.Node) bool {
	actual, known := c.actual(n)
	if !known {
		return false // whichever the operator is
	}
	same := strings.EqualFold(c.value, actual)
	if strings.EqualFold(c.key, "node.ip") {
		ip := net.ParseIP(actual)
		if _, subnet, err := net.ParseCIDR(c.value); err == nil {
			same = subnet.Contains(ip)
		} else if wanted := net.ParseIP(c.value); wanted != nil {
			same = wanted.Equal(ip)
		} else {
			return false
		}
	}
	return same == c.equal
}

// reason says why the node does not satisfy the constraint, and what would make it.
func (c constraint) reason(n swarm.Node) Reason {
	actual, known := c.actual(n)
	r := Reason{Filter: FilterConstraint, Text: fmt.Sprintf("constraint %s is not met: it is %q", c.text, actual)}
	if !known {
		r.Text = fmt.Sprintf("constraint %s is never met: a Swarm has no %s", c.text, c.key)
		return r
	}
	if label, ok := c.label(nodeLabel); ok {
		if actual == "" {
			r.Text = fmt.Sprintf("constraint %s is not met: the node has no label %s", c.text, label)
		}
		if c.equal {
			r.Remedy = "docker node update --label-add " + fault.Quote(label+"="+c.value) + " " + fault.Quote(Name(n))
		} else {
			r.Remedy = "docker node update --label-rm " + fault.Quote(label) + " " + fault.Quote(Name(n))
		}
	}
	if label, ok := c.label(engineLabel); ok {
		if actual == "" {
			r.Text = fmt.Sprintf("constraint %s is not met: the engine has no label %s", c.text, label)
		}
		r.Remedy = "the labels of an engine are in its daemon.json"
	}
	switch wanted := swarm.NodeRole(strings.ToLower(c.value)); {
	case !strings.EqualFold(c.key, "node.role"):
	case (wanted == swarm.NodeRoleManager) == c.equal:
		r.Remedy = "docker node promote " + fault.Quote(Name(n))
	case wanted == swarm.NodeRoleManager || wanted == swarm.NodeRoleWorker:
		r.Remedy = "docker node demote " + fault.Quote(Name(n))
	}
	return r
}

// Name is what a node is called: its host name, else the ID.
func Name(n swarm.Node) string {
	if n.Description.Hostname == "" {
		return n.ID
	}
	return n.Description.Hostname
}

// Meets says whether the node meets the constraints of the specification; whether it takes tasks is another matter.
func Meets(n swarm.Node, spec swarm.ServiceSpec) bool {
	p := spec.TaskTemplate.Placement
	if p == nil {
		return true
	}
	constraints, err := parseConstraints(p.Constraints)
	if err != nil {
		return false
	}
	for _, c := range constraints {
		if !c.met(n) {
			return false
		}
	}
	return true
}
