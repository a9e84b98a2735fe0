package image

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// reach asks whether the cache's registry answers at all, so that one which is silent is left out: a builder waits for it
// without end (BuildKit sets no time limit, and other solves of the same steps wait with it). It is asked from here, which
// says nothing about a builder elsewhere; certificates and credentials are the builder's to judge.
func (c Cache) reach(ctx context.Context) error {
	if c.Type != "registry" {
		return nil
	}
	host, _, _ := strings.Cut(c.Prefix, "/")
	scheme := "https"
	if name, _, err := net.SplitHostPort(host); err == nil && (name == "localhost" || net.ParseIP(name).IsLoopback()) {
		scheme = "http" // as BuildKit and the engine do
	}
	ctx, cancel := context.WithTimeout(ctx, cacheWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+host+"/v2/", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err == nil {
		return response.Body.Close()
	}
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w within %s", errCacheSilent, cacheWithin)
	case errors.As(err, &certificate), errors.Is(err, http.ErrSchemeMismatch): // plain HTTP, which the builder may be allowed
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("connection refused")
	case errors.As(err, &name):
		return name
	}
	return fmt.Errorf("it is no registry: %w", err)
}

// reachable is reach, asked once a run; the first that hears of a failure says so.
func (r *run) reachable(ctx context.Context, m *member) bool {
	if m.Remote {
		return true
	}
	return r.asked(ctx) == nil
}
