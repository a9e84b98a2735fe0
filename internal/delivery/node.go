package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/cli/cli/connhelper"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/imageload"
)

// nodeEngine is the engine of a node, over a connection of its own.
type nodeEngine struct {
	client.APIClient
	id, name, address string
	containerd        bool
	failed            error // why it can't be used
	traffic           *traffic
	layers            *imageload.EngineLayers // that it holds, as far as known
}

// ContainerdStore implements imageload.Engine.
func (n *nodeEngine) ContainerdStore() bool { return n.containerd }

func (n *nodeEngine) close() {
	if n.APIClient != nil {
		_ = n.Close()
	}
}

// fault is what went wrong with the node's engine.
func (n *nodeEngine) fault(err error) error {
	return fault.New(fault.Engine, "docker -H "+fault.Quote(n.address)+" version",
		"node %q: its engine at %q: %w", n.name, n.address, cut{err})
}

// cut is an error whose text is no longer than a line of foreign output may be: ssh's error has all that the other side
// printed.
type cut struct{ error }

// Error implements error.
func (c cut) Error() string { return bounded.Line(c.error.Error()) }

// Unwrap gives the error itself.
func (c cut) Unwrap() error { return c.error }

// traffic counts the bytes of all connections to a node.
type traffic struct{ sent, received atomic.Int64 }

type countedConn struct {
	net.Conn
	traffic *traffic
}

// Read implements net.Conn.
func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.traffic.received.Add(int64(n))
	return n, err
}

// Write implements net.Conn.
func (c countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.traffic.sent.Add(int64(n))
	return n, err
}

// matchNodes gives the addresses by the nodes' IDs. A name that no node has, or several have, is an error.
func matchNodes(addresses map[string]string, nodes []swarm.Node) (map[string]string, error) {
	out := map[string]string{}
	var names []string
	for _, n := range nodes {
		names = append(names, nodeName(n))
	}
	for _, key := range slices.Sorted(maps.Keys(addresses)) {
		var ids []string
		for _, n := range nodes {
			if n.ID == key || n.Description.Hostname == key {
				ids = append(ids, n.ID)
			}
		}
		switch {
		case len(ids) == 0:
			return nil, fault.New(fault.Usage, "go tool mage nodes", "the Swarm has no node %q%s", key,
				fault.DidYouMean(key, names))
		case len(ids) > 1:
			return nil, fault.New(fault.Usage, "docker node ls",
				"%d nodes of the Swarm are called %q: name them by their IDs", len(ids), key)
		case out[ids[0]] != "" && out[ids[0]] != addresses[key]:
			return nil, fault.New(fault.Usage, "", "the node %q has two addresses: %s and %s", key, out[ids[0]],
				addresses[key])
		}
		out[ids[0]] = addresses[key]
	}
	return out, nil
}

// connections is how many nodes are spoken to at a time.
const connections = 8

// connect connects to the nodes that have an address, the manager's own left out. What fails is kept: it matters where
// an image has to get there.
func (d *Delivery) connect(ctx context.Context, addresses map[string]string) {
	var g errgroup.Group
	g.SetLimit(connections)
	for _, n := range d.request.Nodes {
		address := addresses[n.ID]
		if address == "" || n.ID == d.request.Self {
			continue
		}
		node := &nodeEngine{id: n.ID, name: nodeName(n), address: address, traffic: &traffic{}}
		d.nodes[n.ID] = node
		g.Go(func() error {
			node.failed = node.connect(ctx, connectWithin)
			return nil
		})
	}
	_ = g.Wait()
}

// connectWithin is how long a node's engine may take to say what it is. It is more than ssh waits for an address where
// nobody answers, and enough for a person who is asked whether a host key is the right one.
const connectWithin = time.Minute

// connect dials the engine and checks that it is the node's.
func (n *nodeEngine) connect(parent context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(parent, within, fmt.Errorf("no answer within %s", within))
	defer cancel()
	err := n.identify(ctx)
	if err != nil && parent.Err() == nil && ctx.Err() != nil {
		return n.fault(context.Cause(ctx))
	}
	return err
}

func (n *nodeEngine) identify(ctx context.Context) error {
	c, err := dial(n.address, n.traffic)
	if err != nil {
		return n.fault(err)
	}
	n.APIClient = c
	ping, err := n.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	if err != nil {
		return n.fault(err)
	}
	if versions.LessThan(ping.APIVersion, engine.OldestAPI) {
		return n.fault(fmt.Errorf("it is too old: it speaks API %s, and %s is the oldest supported", ping.APIVersion,
			engine.OldestAPI))
	}
	info, err := n.Info(ctx, client.InfoOptions{})
	if err != nil {
		return n.fault(err)
	}
	n.containerd = (&engine.Engine{Info: info.Info}).ContainerdStore()
	return n.isNode(info.Info)
}

// has says whether the engine has the image of that ID.
func (n *nodeEngine) has(ctx context.Context, id string) (bool, error) {
	found, err := n.ImageInspect(ctx, id)
	switch {
	case cerrdefs.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, n.fault(err)
	}
	return found.ID == id, nil
}

// isNode says whether the engine is that of the node: an image sent elsewhere would not be found where it is needed.
func (n *nodeEngine) isNode(info system.Info) error {
	switch info.Swarm.NodeID {
	case n.id:
		return nil
	case "":
		return n.fault(errors.New("it is in no Swarm"))
	}
	return n.fault(fmt.Errorf("it is another node's, that of %q", bounded.Line(info.Name)))
}

// requests is how many requests run at a time on one node's engine: over ssh each has a process here and one there, and
// an ssh server takes some ten new connections at a time.
const requests = 3

// dial makes the client of an address; nothing is sent yet.
func dial(address string, count *traffic) (*client.Client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxConnsPerHost: requests, Protocols: &http.Protocols{}}
	transport.Protocols.SetHTTP1(true) // one that may speak HTTP 2 has a TLS configuration, and the client then uses it
	options := []client.Opt{client.WithHTTPClient(&http.Client{Transport: transport})}
	dialer := (&net.Dialer{}).DialContext
	switch u.Scheme {
	case "ssh":
		helper, err := connhelper.GetConnectionHelper(address)
		if err != nil {
			return nil, err
		}
		dialer = helper.Dialer
		options = append(options, client.WithHost(helper.Host))
	case "tcp":
		options = append(options, client.WithHost(address), client.WithTLSClientConfigFromEnv())
	default:
		path := strings.TrimPrefix(address, "unix://")
		dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}
		options = append(options, client.WithHost(address))
	}
	return client.New(append(options, client.WithDialContext(
		func(ctx context.Context, network, to string) (net.Conn, error) {
			c, err := dialer(ctx, network, to)
			if err != nil {
				return nil, err
			}
			return countedConn{c, count}, nil
		}))...)
}
