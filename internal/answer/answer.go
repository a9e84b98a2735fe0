// Package answer owns how quickly a service itself answers, asked from outside of its container: by an HTTP request to
// the address that its Compose file names, or by connecting to a port. Nothing is started in the container, no
// credential is sent, and what the service answers is dropped.
package answer

import (
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/extension"
)

// Answer is how the service answered. Its zero value is that nobody asked.
type Answer struct {
	Of string    `json:"of"`          // what was asked: http://172.18.0.2:8000/health, tcp://127.0.0.1:6379
	At time.Time `json:"at,omitzero"` // when
	// MS is how long the answer took, in milliseconds: until the connection, or the head of the HTTP answer, was there.
	MS      float64 `json:"ms"`
	Error   string  `json:"error,omitempty"`   // why there was none, or why it is no good one: "HTTP 503"
	Pending bool    `json:"pending,omitempty"` // the service has not answered yet, after MS
	Named   bool    `json:"named,omitempty"`   // the Compose file names what was asked; else it is a published port
}

// Target is where one container is asked.
type Target struct {
	scheme string
	path   string // of HTTP, with the query
	status []int  // the HTTP statuses that are good; none for all below 500
	named  bool
	ports  [][]place // of each port the places, in the order in which they are tried
}

// Of gives where a container is asked: at the address that its Compose file names, else at the TCP ports that it
// publishes, unless the file says that nobody waits for those. ok is false where there is nothing that can be asked
// from here. others are the project's containers: c may share the network of one.
func Of(service Service, c container.Replica, others []container.Replica, r Reach) (t Target, ok bool) {
	switch {
	case service.Named != nil:
		t = named(*service.Named, networkOf(c, others), r)
	case !service.ReadyOnceStarted:
		t.scheme = "tcp"
		for _, p := range PublishedPorts(c) {
			t.add(r.places(p))
		}
	}
	return t, len(t.ports) > 0
}

// Service is what a Compose file says of how a service is asked.
type Service struct {
	Named            *extension.Answers // nil where the file names no address
	ReadyOnceStarted bool               // nobody waits for the ports that it publishes
}

// named gives the target of an address that a Compose file names, which extension.Check has accepted. An address
// without a host names the container's own port.
func named(a extension.Answers, c container.Replica, r Reach) Target {
	u, err := url.Parse(a.Address)
	if err != nil {
		return Target{}
	}
	t := Target{scheme: u.Scheme, status: a.Status, named: true}
	if u.Scheme != "tcp" {
		t.path = u.RequestURI()
	}
	port, _ := strconv.ParseUint(u.Port(), 10, 16)
	if u.Hostname() == "" {
		t.add(r.places(portOf(c, uint16(port))))
		return t
	}
	if port == 0 {
		port = map[string]uint64{"http": 80, "https": 443}[u.Scheme]
	}
	if !r.Local && loopback(u.Hostname()) {
		return t // it would be this machine's, where the service is not
	}
	t.add([]place{{net.JoinHostPort(u.Hostname(), strconv.FormatUint(port, 10)), written}})
	return t
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (ip.IsLoopback() || ip.IsUnspecified())
}

func (t *Target) add(places []place) {
	if len(places) > 0 {
		t.ports = append(t.ports, places)
	}
}

// same says whether two targets ask the same.
func (t Target) same(o Target) bool { return reflect.DeepEqual(t, o) }

// good says whether an HTTP status is a good answer.
func (t Target) good(status int) bool {
	if len(t.status) > 0 {
		return slices.Contains(t.status, status)
	}
	return status < 500
}

// words is what was asked, in words. The query is left out: it may have a token in it.
func (t Target) words(p place) string {
	path, _, _ := strings.Cut(t.path, "?")
	return t.scheme + "://" + p.address + path
}
