// Package admission decides which requests are let in: by the memory that they take at once, and by how many come
// in a time. Each client, which is an address, gets a share, so that one that asks for everything keeps nobody else
// out. It knows nothing of HTTP.
package admission

import (
	"net/netip"
	"sync"
)

// Budget is memory, in bytes, that requests may take at once. One client gets at most half of it.
type Budget struct {
	size int64

	mutex   sync.Mutex
	taken   int64
	clients map[netip.Addr]int64 // only those that hold something
}

// NewBudget makes a budget of size bytes.
func NewBudget(size int64) *Budget {
	return &Budget{size: size, clients: map[netip.Addr]int64{}}
}

// Take lets a request in that needs cost bytes, or says at once that there is no room; it never waits. The caller
// must call release once, when the request is over. A request that needs more than one client's share gets in while
// its client has no other.
func (b *Budget) Take(client netip.Addr, cost int64) (release func(), ok bool) {
	share := b.size / 2
	cost = min(cost, share)
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.taken+cost > b.size || b.clients[client]+cost > share {
		return nil, false
	}
	b.taken += cost
	b.clients[client] += cost
	return func() {
		b.mutex.Lock()
		defer b.mutex.Unlock()
		b.taken -= cost
		if b.clients[client] -= cost; b.clients[client] == 0 {
			delete(b.clients, client)
		}
	}, true
}

// Taken is how much of the budget is in use, in bytes.
func (b *Budget) Taken() int64 {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.taken
}
