package enginetest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
)

// Requests passes on what an engine is asked through a socket of its own, and takes the requests down.
type Requests struct {
	Socket string // path
	server *http.Server

	mutex sync.Mutex
	asked []string
}

// CountRequests listens at socket for requests to the engine that listens at to. Who called it closes it.
func CountRequests(socket, to string) (*Requests, error) {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("counting requests: %w", err)
	}
	c := &Requests{Socket: socket}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.FlushInterval = -1 // each event at once
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", to)
	}}
	c.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mutex.Lock()
		c.asked = append(c.asked, r.Method+" "+r.URL.Path)
		c.mutex.Unlock()
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = c.server.Serve(listener) }() // until close
	return c, nil
}

// Forget forgets the requests so far.
func (c *Requests) Forget() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.asked = nil
}

// Seen gives the requests since then: method and path of each.
func (c *Requests) Seen() []string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return slices.Clone(c.asked)
}

// Close ends it, and every connection through it.
func (c *Requests) Close() { _ = c.server.Close() }
