// Package operation owns what is known of one thing that is done to a service's containers: what it is, why and
// after what it is done, and once it was run, when. It decides nothing and does nothing.
package operation

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kind is what is done.
type Kind string

// The kinds of operations.
const (
	Create   Kind = "create"   // containers that are missing are made; of a network or a volume, that one
	Recreate Kind = "recreate" // containers are made anew; of a network, that one
	Remove   Kind = "remove"   // containers that are too many are stopped and removed
	Roll     Kind = "roll"     // containers are replaced, one at a time, without down-time
	Update   Kind = "update"   // settings change that no container is made anew for, or how many copies there are
	Stop     Kind = "stop"     // containers are stopped within their grace periods
	Start    Kind = "start"    // containers that do not run are started
	Wait     Kind = "wait"     // until the containers are ready
)

// Operation is one thing that is done to the containers of a service. Its number is its place in the plan, from 0.
type Operation struct {
	Kind      Kind   `json:"kind"`                // create, recreate, remove, roll, stop, start or wait
	Service   string `json:"service,omitempty"`   // empty where the operation is about a network or a volume
	Container string `json:"container,omitempty"` // the name of the one that it is about; empty for all of the service
	Resource  string `json:"resource,omitempty"`  // "network shop_default", where it is about that
	Cause     string `json:"cause,omitempty"`     // why it is done
	Count     int    `json:"count,omitempty"`     // how many containers are made or removed
	Needs     []Need `json:"needs,omitempty"`     // what must be so first

	// When it came to what, once it was run. The zero time is never.
	Began time.Time `json:"began,omitzero"` // what it needs was there
	// Admitted is, of a start that had something to start, when it had its share of the machine.
	Admitted time.Time `json:"admitted,omitzero"`
	// Healthy is, of a wait for the end of a job, when its health check passed, or it turned out to have none.
	Healthy time.Time `json:"healthy,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`   // it was done, or had failed
	Failed  bool      `json:"failed,omitempty"` // or could not begin, as what it needs had failed
}

// Need is an operation that must have come to its end, or to a part of it, before another one begins.
type Need struct {
	Operation int `json:"operation"` // its number
	// Healthy says that the health check has passed is enough, also where the operation waits for the end of a job.
	Healthy  bool `json:"healthy"`
	Optional bool `json:"optional"` // that the operation fails keeps nothing from going on
}

// String says what is done, and why: "recreate web: its image changed", "stop shop-web-2".
func (o Operation) String() string {
	about := o.Service
	switch {
	case o.Resource != "":
		about = o.Resource
	case o.Container != "":
		about = o.Container
	}
	text := string(o.Kind) + " " + about
	if o.Count > 1 {
		text += fmt.Sprintf(" (%d)", o.Count)
	}
	if o.Cause != "" {
		text += ": " + o.Cause
	}
	return text
}

// Text gives operations for a reader, a line each with the numbers of those that it needs: "[0 1?] 2 start web". A
// question mark is for an optional one, and an h where it is enough that its health check has passed.
func Text(all []Operation) string {
	var b strings.Builder
	for i, o := range all {
		needs := make([]string, len(o.Needs))
		for j, n := range o.Needs {
			needs[j] = strconv.Itoa(n.Operation)
			if n.Healthy {
				needs[j] += "h"
			}
			if n.Optional {
				needs[j] += "?"
			}
		}
		fmt.Fprintf(&b, "[%s] %d %s\n", strings.Join(needs, " "), i, o)
	}
	return b.String()
}
