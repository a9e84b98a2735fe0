package swarm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/enginetest/current"
	"github.com/25eloquence/compose-mage/internal/enginetest/mirror"
)

// joinWithin bounds the Swarm's making, once the engines answer.
const joinWithin = time.Minute

// Options say what the Swarm is.
type Options struct {
	// Nodes is how many engines there are, at most seven; the first Managers of them, 1 where it is 0, are managers.
	Nodes, Managers int
	// Dir holds what the engines keep. It stays when they end. Its path is short, for their sockets.
	Dir string
	// Registry asks for a registry that the nodes and this process reach, over plain HTTP.
	Registry bool
	// Settings are further ones of the configurations of engines, by the nodes' names: node1 for the first.
	Settings map[string]map[string]any
}

// Swarm is a running one.
type Swarm struct {
	Nodes    []*Node
	Registry string // host:port of the registry, the same for the nodes and for this process; "" where there is none

	plan     plan
	reserved net.Listener
	bridge   *current.Namespace
	mirror   *mirror.Mirror
	closing  sync.Once
	failed   error
}

// Node is one engine.
type Node struct {
	Name    string // as its engine says: node1 for the first
	Host    string // unix://…, for DOCKER_HOST
	Address string // in the network of the nodes
	Client  *client.Client

	number   int // from 1
	dir      string
	settings map[string]any
	space    *current.Namespace // nil while it is dead
	engine   *current.Engine
}

// Start starts the engines and makes them a Swarm, all of whose nodes are ready. Who started it closes it.
func Start(ctx context.Context, o Options) (_ *Swarm, err error) {
	if o.Managers == 0 {
		o.Managers = 1
	}
	if o.Nodes < 1 || o.Nodes > mostNodes || o.Managers > o.Nodes {
		return nil, fmt.Errorf("starting a Swarm of %d nodes, %d managers: it has 1 to %d nodes", o.Nodes, o.Managers,
			mostNodes)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("starting a Swarm: %w", err)
	}
	s := &Swarm{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("starting a Swarm: %w", err), s.Close())
		}
	}()
	if s.plan, s.reserved, err = reserve(); err != nil {
		return nil, err
	}
	if s.bridge, err = s.plan.openBridge(ctx); err != nil {
		return nil, err
	}
	if o.Registry {
		address := net.JoinHostPort(s.plan.address(0, registryHost).String(), "5000")
		if s.mirror, err = mirror.StartAt(ctx, address, s.bridge.Do); err != nil {
			return nil, err
		}
		s.Registry = address
	}
	for number := range o.Nodes {
		node, err := newNode(s.plan, dir, number+1)
		if err != nil {
			return nil, err
		}
		node.settings = o.Settings[node.Name]
		s.Nodes = append(s.Nodes, node)
	}
	all, grouped := errgroup.WithContext(ctx)
	for _, node := range s.Nodes {
		all.Go(func() error { return s.start(grouped, node) })
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	return s, s.join(ctx, o.Managers)
}

func newNode(p plan, dir string, number int) (*Node, error) {
	n := &Node{
		Name: "node" + strconv.Itoa(number), Address: p.address(0, number).String(),
		number: number, dir: filepath.Join(dir, strconv.Itoa(number)),
	}
	n.Host = "unix://" + filepath.Join(n.dir, "docker.sock")
	var err error
	n.Client, err = client.New(client.WithHost(n.Host))
	return n, err
}

// start gives the node a network and starts its engine there.
func (s *Swarm) start(ctx context.Context, n *Node) (err error) {
	if n.space, err = s.plan.plug(ctx, s.bridge, n.number); err != nil {
		return err
	}
	settings := map[string]any{
		"cgroup-parent": "/" + s.plan.cgroup() + "/" + n.Name, "exec-opts": []string{"native.cgroupdriver=cgroupfs"},
		"default-address-pools": []map[string]any{{"base": s.plan.pool(n.number).String(), "size": 26}},
	}
	if s.Registry != "" {
		settings["insecure-registries"] = []string{s.Registry}
	}
	maps.Copy(settings, n.settings)
	n.engine, err = current.Start(ctx, current.Options{
		Dir: n.dir, Distribution: true, Inside: n.space.Do, HostName: n.Name, Settings: settings,
	})
	return err
}

// join makes a Swarm of the engines, and waits until all are ready.
func (s *Swarm) join(ctx context.Context, managers int) error {
	ctx, cancel := context.WithTimeout(ctx, joinWithin)
	defer cancel()
	first := s.Nodes[0]
	_, err := first.Client.SwarmInit(ctx, client.SwarmInitOptions{
		ListenAddr: "0.0.0.0:2377", AdvertiseAddr: first.Address,
		DefaultAddrPool: []netip.Prefix{s.plan.overlays()}, SubnetSize: 26,
	})
	if err != nil {
		return fmt.Errorf("making %s the first node: %w", first.Name, err)
	}
	made, err := first.Client.SwarmInspect(ctx, client.SwarmInspectOptions{})
	if err != nil {
		return fmt.Errorf("asking %s how to join: %w", first.Name, err)
	}
	for i, node := range s.Nodes[1:] {
		token := made.Swarm.JoinTokens.Worker
		if i+1 < managers {
			token = made.Swarm.JoinTokens.Manager
		}
		_, err := node.Client.SwarmJoin(ctx, client.SwarmJoinOptions{
			ListenAddr: "0.0.0.0:2377", AdvertiseAddr: node.Address, JoinToken: token,
			RemoteAddrs: []string{net.JoinHostPort(first.Address, "2377")},
		})
		if err != nil {
			return fmt.Errorf("joining %s: %w", node.Name, err)
		}
	}
	return s.Until(ctx, "all nodes are ready", func() (bool, error) {
		got, err := first.Client.NodeList(ctx, client.NodeListOptions{})
		ready := 0
		for _, node := range got.Items {
			if node.Status.State == swarm.NodeStateReady {
				ready++
			}
		}
		return ready == len(s.Nodes), err
	})
}

// Until waits until ok holds, or ctx ends: then the error names what, and what ok gave at last.
func (s *Swarm) Until(ctx context.Context, what string, ok func() (bool, error)) error {
	for {
		holds, err := ok()
		if holds && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting until %s: %w", what, ctx.Err()), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Kill ends the node at once, as when its machine loses power: its engine, its containers and its network. The network
// is cut first, so that nobody is told of a connection's end.
func (s *Swarm) Kill(i int) error {
	n := s.Nodes[i]
	var err error
	if n.space != nil {
		_ = n.space.Run(context.Background(), "ip link delete eth0") // gone where it could not be made
	}
	if n.engine != nil {
		n.engine.Kill()
		err = n.engine.Stop()
		n.engine = nil
	}
	if n.space != nil {
		n.space.Close()
		n.space = nil
	}
	return err
}

// Revive starts the node that was killed again, with what was on its disk, and waits until its engine answers.
func (s *Swarm) Revive(ctx context.Context, i int) error {
	if s.Nodes[i].engine != nil {
		return fmt.Errorf("reviving %s: it lives", s.Nodes[i].Name)
	}
	return s.start(ctx, s.Nodes[i])
}

// Close ends all nodes at once, the registry and the network; a second call gives what the first gave.
func (s *Swarm) Close() error {
	s.closing.Do(func() {
		for i, node := range s.Nodes {
			s.failed = errors.Join(s.failed, s.Kill(i), node.Client.Close())
		}
		if s.mirror != nil {
			s.failed = errors.Join(s.failed, s.mirror.Close())
		}
		if s.bridge != nil {
			_ = s.bridge.Run(context.Background(), "ip link delete machine")
			s.bridge.Close()
		}
		if s.reserved != nil {
			s.plan.sweep()
			s.failed = errors.Join(s.failed, s.reserved.Close())
		}
	})
	return s.failed
}
