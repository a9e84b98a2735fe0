package swarm

import (
	"io"
	"time"
)

// StatusReport is what a deployed stack is now; its JSON is in docs/json.md.
type StatusReport struct {
	Stack    string          `json:"stack"`
	Manager  string          `json:"manager"` // the node that was asked
	Fine     bool            `json:"fine"`    // every service is as it should be
	Services []ServiceStatus `json:"services"`
	Tasks    []Task          `json:"tasks"`
	Nodes    []NodeStatus    `json:"nodes"`   // of the Swarm
	Missing  []string        `json:"missing"` // services that the Compose files have and the Swarm lacks
	Orphans  []string        `json:"orphans"` // services of the stack that the Compose files no longer have

	show  func(io.Writer)
	unfit error
}

// ServiceStatus is one service of a deployed stack.
type ServiceStatus struct {
	Service   string   `json:"service"`
	Mode      string   `json:"mode"` // replicated, global, replicated-job or global-job
	Fine      bool     `json:"fine"`
	Condition string   `json:"condition"` // running, starting, updating, done, scaled to 0, stopped, failing, …
	Wanted    int      `json:"wanted"`    // tasks that are to run, or of a job to end well
	Running   int      `json:"running"`   // of those, tasks that do
	Image     string   `json:"image"`     // its name and tag
	Digest    string   `json:"digest,omitempty"`
	Update    string   `json:"update,omitempty"` // what the Swarm says of its last update, where there is something
	Ports     []string `json:"ports"`            // published ones: "8000->80/tcp", on a port of the node "… (host)"
	Why       string   `json:"why,omitempty"`    // what is wrong with it
	Next      string   `json:"next,omitempty"`   // the command that helps
}

// Task is one task of a service: a container on a node, or what came of it.
type Task struct {
	Name      string    `json:"name"`           // "web.2", and of a global service "web" alone
	Service   string    `json:"service"`        // by its name in the Compose files
	Node      string    `json:"node,omitempty"` // its name; "" where none has taken it yet
	State     string    `json:"state"`          // as the Swarm has it: running, starting, pending, …
	Health    string    `json:"health,omitempty"`
	Since     time.Time `json:"since"`
	Why       string    `json:"why,omitempty"`       // what is wrong with it
	ExitCode  int       `json:"exit_code,omitempty"` // of its container
	Container string    `json:"container,omitempty"` // its ID on the node
	// Before is why the task that was in its place ended, and Ended when; "" where that did not fail.
	Before string    `json:"before,omitempty"`
	Ended  time.Time `json:"before_ended,omitzero"`
}

// NodeStatus is a node of the Swarm.
type NodeStatus struct {
	Name         string `json:"name"`
	Manager      bool   `json:"manager"`
	State        string `json:"state"`        // ready, down, unknown or disconnected
	Availability string `json:"availability"` // active, pause or drain
	Tasks        int    `json:"tasks"`        // of the stack that run there
	// Pinned are the stack's services that can run nowhere else than on nodes like this, which takes none.
	Pinned []string `json:"pinned"`
}

// Print writes a line for each service and task, and what is wrong.
func (r StatusReport) Print(w io.Writer) { shown(r.show, w) }

// Err is an error where the stack is not as it should be.
func (r StatusReport) Err() error { return r.unfit }

// Snapshot is a deployed stack at one moment; its JSON is in docs/json.md.
type Snapshot struct {
	Time     time.Time  `json:"time"`
	Stack    string     `json:"stack"`
	Manager  string     `json:"manager"`
	Tasks    []TaskUse  `json:"tasks"`
	Nodes    []NodeRoom `json:"nodes"`
	Findings []string   `json:"findings"` // what is wrong, a sentence each

	show func(io.Writer)
}

// TaskUse is a task, and what it uses.
type TaskUse struct {
	Task       Task    `json:"task"`
	Restarts   int     `json:"restarts_1h"` // tasks in its place that failed within the last hour, as far as kept
	Measured   bool    `json:"measured"`    // the figures that follow are there
	CPUPercent float64 `json:"cpu_percent"` // of one core
	Memory     int64   `json:"memory_bytes"`
	Limit      int64   `json:"memory_limit_bytes,omitempty"` // 0 for none
}

// NodeRoom is a node, and what of it is taken by reservations, whichever stack's.
type NodeRoom struct {
	Name           string  `json:"name"`
	State          string  `json:"state"`
	Availability   string  `json:"availability"`
	CPUs           float64 `json:"cpus"`
	ReservedCPUs   float64 `json:"reserved_cpus"`
	Memory         int64   `json:"memory_bytes"`
	ReservedMemory int64   `json:"reserved_memory_bytes"`
	Tasks          int     `json:"tasks"` // of all stacks
	// Unasked says why the node's engine was not asked what its containers use; "" where it was, or has none of them.
	Unasked string `json:"unasked,omitempty"`
}

// Print writes the tasks and the nodes, what could not be asked, and what is wrong.
func (s Snapshot) Print(w io.Writer) { shown(s.show, w) }

// RestartPlan is what a restart of a deployed stack does; its JSON is in docs/json.md.
type RestartPlan struct {
	Stack string        `json:"stack"`
	Steps []RestartStep `json:"steps"` // in the order of depends_on
	Left  []string      `json:"left"`  // services that stay as they are

	show func(io.Writer)
}

// RestartStep is what is done to one service.
type RestartStep struct {
	Service string `json:"service"`
	Action  string `json:"action"` // restart, or start: of one that was stopped
	Why     string `json:"why"`
	Tasks   int    `json:"tasks"`          // that it is to have; 0 where that follows from the nodes
	Away    string `json:"away,omitempty"` // why it answers nobody meanwhile; "" where it does throughout
}

// Print writes the plan.
func (p RestartPlan) Print(w io.Writer) { shown(p.show, w) }

// CleanupReport is what of a deployed stack goes, or would, and what stays; its JSON is in docs/json.md.
type CleanupReport struct {
	Stack   string        `json:"stack"`
	Whole   bool          `json:"whole"` // the stack itself goes
	DryRun  bool          `json:"dry_run"`
	Bytes   int64         `json:"bytes"` // what goes frees at least this
	Remove  []CleanupItem `json:"remove"`
	Keep    []CleanupItem `json:"keep"`
	Unasked []string      `json:"unasked"` // nodes whose images and volumes are not known, and why

	show func(io.Writer)
}

// CleanupItem is one thing that goes or stays.
type CleanupItem struct {
	Kind  string `json:"kind"` // service, secret, config, network, image or volume
	ID    string `json:"id"`
	Name  string `json:"name"`
	Node  string `json:"node,omitempty"` // that has it; "" for what the Swarm has
	Bytes int64  `json:"bytes"`          // what removing it frees, at least
	Why   string `json:"why"`            // why it goes, or why it stays
}

// Print writes what goes and what stays, with reasons.
func (r CleanupReport) Print(w io.Writer) { shown(r.show, w) }

func shown(show func(io.Writer), w io.Writer) {
	if show != nil {
		show(w)
	}
}
