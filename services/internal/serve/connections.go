package serve

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// mostConnections bounds the open connections of a service, and half of it those of one client. Each costs about 10
// KiB.
const mostConnections = 512

// connections keeps the number of open connections down. Where there are too many, one that waits for a request (a
// new one, or one kept alive) makes room, the oldest first; where none waits, the newcomer is closed.
type connections struct {
	most    int
	mutex   sync.Mutex
	open    map[net.Conn]*connection
	clients map[netip.Addr]*client
}

type connection struct {
	client  *client
	waiting *list.Element // its place among the client's waiting ones, nil while a request is under way
}

type client struct {
	address netip.Addr
	open    int
	waiting list.List // of net.Conn, the oldest first
}

func newConnections(most int) *connections {
	return &connections{most: most, open: map[net.Conn]*connection{}, clients: map[netip.Addr]*client{}}
}

// changed is the server's ConnState.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if surplus := c.count(conn, state); surplus != nil {
		_ = surplus.Close() // what it was doing fails, as it should
	}
}

// count keeps the books and returns the connection that must go, or nil.
func (c *connections) count(conn net.Conn, state http.ConnState) net.Conn {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	switch state {
	case http.StateNew:
		return c.add(conn)
	case http.StateActive:
		if known := c.open[conn]; known != nil && known.waiting != nil {
			known.client.waiting.Remove(known.waiting)
			known.waiting = nil
		}
	case http.StateIdle:
		if known := c.open[conn]; known != nil && known.waiting == nil {
			known.waiting = known.client.waiting.PushBack(conn)
		}
	case http.StateClosed, http.StateHijacked:
		c.remove(conn)
	}
	return nil
}

func (c *connections) add(conn net.Conn) net.Conn {
	remote, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	address := remote.Addr().Unmap()
	from := c.clients[address]
	if from == nil {
		from = &client{address: address}
		c.clients[address] = from
	}
	from.open++
	known := &connection{client: from}
	c.open[conn] = known
	surplus := net.Conn(nil)
	if len(c.open) > c.most || from.open > c.most/2 {
		surplus = conn
		if oldest := from.waiting.Front(); oldest != nil {
			surplus = oldest.Value.(net.Conn)
			c.remove(surplus) // now, not when its goroutine has noticed
		}
	}
	if surplus != conn {
		known.waiting = from.waiting.PushBack(conn)
	}
	return surplus
}

func (c *connections) remove(conn net.Conn) {
	known := c.open[conn]
	if known == nil {
		return
	}
	if known.waiting != nil {
		known.client.waiting.Remove(known.waiting)
	}
	if known.client.open--; known.client.open == 0 {
		delete(c.clients, known.client.address)
	}
	delete(c.open, conn)
}
