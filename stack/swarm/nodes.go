package swarm

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ipvs"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// NodesReport is what the nodes of a Swarm are and have at one moment; its JSON is in docs/json.md.
type NodesReport struct {
	Asked    string    `json:"asked"` // the name of the node that was asked
	Nodes    []Node    `json:"nodes"` // by name
	Findings []Finding `json:"findings"`

	print func(io.Writer)
}

// Node is one node. Its room is by what tasks of all stacks reserve, not by what they use.
type Node struct {
	ID             string            `json:"id"`
	Name           string            `json:"name"`
	Role           string            `json:"role"`         // leader, manager or worker
	State          string            `json:"state"`        // ready, down, unknown or disconnected
	Availability   string            `json:"availability"` // active, pause or drain
	Address        string            `json:"address"`      // "" where the Swarm does not know it
	Engine         string            `json:"engine"`       // the version
	Platform       string            `json:"platform"`     // linux/amd64
	CPUs           float64           `json:"cpus"`
	ReservedCPUs   float64           `json:"reserved_cpus"`
	Memory         int64             `json:"memory"`
	ReservedMemory int64             `json:"reserved_memory"`
	Resources      []GenericResource `json:"generic_resources"`
	Labels         map[string]string `json:"labels"`
	EngineLabels   map[string]string `json:"engine_labels"`
	Volumes        []string          `json:"volumes"` // whose data is there, as deploys noted
	Stacks         []StackTasks      `json:"stacks"`
}

// GenericResource is a kind of thing that a node offers, such as its GPUs.
type GenericResource struct {
	Kind     string `json:"kind"`
	Total    int64  `json:"total"`
	Reserved int64  `json:"reserved"`
}

// StackTasks counts the tasks of a stack on a node.
type StackTasks struct {
	Stack   string `json:"stack"` // "" for services of none
	Running int    `json:"running"`
	Coming  int    `json:"coming"` // that are to run and don't yet
	Failed  int    `json:"failed"` // that did, as far as the Swarm remembers
}

// Finding is one fact about the Swarm that somebody should know.
type Finding struct {
	ID       string `json:"id"`                  // which rule found it, dotted and stable: node.down
	Severity string `json:"severity"`            // info, warning or failure
	Evidence string `json:"evidence"`            // what was seen, a sentence
	Remedy   string `json:"remedy,omitempty"`    // what to do or type next
	Code     int    `json:"exit_code,omitempty"` // of a failure
}

// Print writes the nodes with their room, what is on each, and what is wrong.
func (r NodesReport) Print(w io.Writer) {
	if r.print != nil {
		r.print(w)
	}
}

// Nodes asks the Swarm of the engine that docker's own command would take, which has to be a manager's, for its nodes.
// No Compose file is read. That something is wrong with a node is no error of Nodes, but a finding.
func Nodes(ctx context.Context) (NodesReport, error) {
	report, err := nodes(ctx)
	return report, fault.Exit(ctx, err)
}

func nodes(ctx context.Context) (NodesReport, error) {
	e, err := engine.Connect(ctx)
	if err != nil {
		return NodesReport{}, err
	}
	if err := cluster.CheckFor(e, "nodes"); err != nil {
		return NodesReport{}, err
	}
	look, err := cluster.Look(ctx, e, e.Info.Swarm.NodeID, "")
	if err != nil {
		return NodesReport{}, err
	}
	report := look.Report(ipvs.Lacks(e))
	var out NodesReport
	text, err := json.Marshal(report)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		return NodesReport{}, fmt.Errorf("reporting: %w", err)
	}
	out.print = func(w io.Writer) { report.Print(ui.New(w)) }
	return out, nil
}
