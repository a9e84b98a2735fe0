package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// engineAPI asks the engine about images, on its unix socket.
type engineAPI struct {
	socket string
	client http.Client
}

func newEngineAPI(host string) *engineAPI {
	e := &engineAPI{socket: strings.TrimPrefix(host, "unix://")}
	e.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", e.socket)
	}}
	return e
}

// ask makes a request; into gets the JSON of the answer, or nothing where it is nil.
func (e *engineAPI) ask(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, nil)
	if err != nil {
		return err
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking the engine: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("asking the engine for %s: %s", path, resp.Status)
	}
	if into == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

func (e *engineAPI) version(ctx context.Context) string {
	var v struct{ Version string }
	if err := e.ask(ctx, http.MethodGet, "/version", &v); err != nil {
		return "unknown"
	}
	return v.Version
}

// ids gives the images' IDs by name, of those names that the engine has.
func (e *engineAPI) ids(ctx context.Context, names []string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		var image struct{ ID string }
		if e.ask(ctx, http.MethodGet, "/images/"+name+"/json", &image) == nil {
			out[name] = image.ID
		}
	}
	return out
}

// layers gives the digests of an image's layers, base first, and their sizes in bytes, of those that are not empty
// newest first.
func (e *engineAPI) layers(ctx context.Context, name string) (digests []string, sizes []int64, err error) {
	var image struct{ RootFS struct{ Layers []string } }
	if err := e.ask(ctx, http.MethodGet, "/images/"+name+"/json", &image); err != nil {
		return nil, nil, err
	}
	var history []struct{ Size int64 }
	if err := e.ask(ctx, http.MethodGet, "/images/"+name+"/history", &history); err != nil {
		return nil, nil, err
	}
	for _, h := range history {
		if h.Size > 0 {
			sizes = append(sizes, h.Size)
		}
	}
	return image.RootFS.Layers, sizes, nil
}

// removeImages removes every image that the bench named.
func (e *engineAPI) removeImages(ctx context.Context) error {
	var images []struct{ RepoTags []string }
	filter := url.QueryEscape(`{"reference":["bench-mage/*","bench-bake/*","bench-compose/*"]}`)
	if err := e.ask(ctx, http.MethodGet, "/images/json?filters="+filter, &images); err != nil {
		return err
	}
	for _, image := range images {
		for _, tag := range image.RepoTags {
			if err := e.ask(ctx, http.MethodDelete, "/images/"+tag+"?force=1", nil); err != nil {
				return fmt.Errorf("removing %q: %w", tag, err)
			}
		}
	}
	return nil
}

// remove removes an image that has lost its name; that it is gone, or serves a container, is no error.
func (e *engineAPI) remove(ctx context.Context, id string) {
	_ = e.ask(ctx, http.MethodDelete, "/images/"+id, nil)
}

// counter is a socket that passes everything on to the engine and counts what goes there.
type counter struct {
	host  string
	bytes atomic.Int64
	l     net.Listener
	open  sync.WaitGroup
}

// count opens the counting socket at path.
func (e *engineAPI) count(path string) (*counter, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the counting socket: %w", err)
	}
	c := &counter{host: "unix://" + path, l: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			c.open.Go(func() { c.pass(conn, e.socket) })
		}
	}()
	return c, nil
}

// pass copies both ways until both sides have said all.
func (c *counter) pass(conn net.Conn, socket string) {
	defer conn.Close()
	engine, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer engine.Close()
	var both sync.WaitGroup
	both.Go(func() { n, _ := io.Copy(engine, conn); c.bytes.Add(n); closeWrite(engine) })
	both.Go(func() { _, _ = io.Copy(conn, engine); closeWrite(conn) })
	both.Wait()
}

func closeWrite(c net.Conn) {
	if u, ok := c.(*net.UnixConn); ok {
		_ = u.CloseWrite()
	}
}

// close stops counting and gives the bytes that went to the engine.
func (c *counter) close() int64 {
	_ = c.l.Close()
	c.open.Wait()
	return c.bytes.Load()
}
