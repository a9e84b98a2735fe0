package admission

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// mostClients bounds the clients that a Rate remembers; those beyond share one count.
const mostClients = 1024

// Rate bounds how often each client may do something.
type Rate struct {
	perSecond float64
	burst     int

	mutex   sync.Mutex
	clients map[netip.Addr]*rate.Limiter
}

// NewRate allows each client perSecond on average, and burst at once after a pause.
func NewRate(perSecond float64, burst int) *Rate {
	return &Rate{perSecond: perSecond, burst: burst, clients: map[netip.Addr]*rate.Limiter{}}
}

// Take counts one and returns 0, or returns after how long to ask again, rounded up to whole seconds; then nothing
// was counted.
func (r *Rate) Take(client netip.Addr) (wait time.Duration) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	now := time.Now()
	limiter := r.limiter(client, now)
	if limiter.AllowN(now, 1) {
		return 0
	}
	missing := 1 - limiter.TokensAt(now)
	return time.Duration(math.Ceil(missing/r.perSecond)) * time.Second
}

func (r *Rate) limiter(client netip.Addr, now time.Time) *rate.Limiter {
	if known := r.clients[client]; known != nil {
		return known
	}
	if len(r.clients) >= mostClients {
		for address, limiter := range r.clients {
			if limiter.TokensAt(now) >= float64(r.burst) { // as good as new
				delete(r.clients, address)
			}
		}
	}
	if len(r.clients) >= mostClients {
		client = netip.Addr{}
		if known := r.clients[client]; known != nil {
			return known
		}
	}
	limiter := rate.NewLimiter(rate.Limit(r.perSecond), r.burst)
	r.clients[client] = limiter
	return limiter
}
