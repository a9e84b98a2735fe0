package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// AnswerWithin bounds the wait for a registry that a build cache is in: a registry that refuses is quick, and one that
// hangs must not hang the build.
const AnswerWithin = 10 * time.Second

// ErrSilent means that a registry did not answer in time.
var ErrSilent = errors.New("the registry did not answer")

// Host is the registry of an address that may name a place in it, as CACHE_REGISTRY does: ghcr.io of
// ghcr.io/owner/cache.
func Host(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		scheme, rest = "", address
	}
	host, _, _ := strings.Cut(rest, "/")
	if scheme != "" {
		return scheme + "://" + host
	}
	return host
}

// versionURL is the address of a registry's version check. As BuildKit and the engine do, a loopback registry is asked
// in plain HTTP.
func versionURL(address string) string {
	address = Host(address)
	if strings.Contains(address, "://") {
		return address + "/v2/"
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	if ip := net.ParseIP(host); host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return "http://" + address + "/v2/"
	}
	return "https://" + address + "/v2/"
}

// Status asks a registry for its API version from this machine and gives the HTTP status of its answer, whatever that
// is. No redirection is followed.
func Status(ctx context.Context, address string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, versionURL(address), nil)
	if err != nil {
		return 0, err
	}
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := c.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// Answers says why a registry that a builder will use does not answer at all; nil where it does. The registry is asked
// from this machine, which says nothing about a builder elsewhere; certificates, plain HTTP and credentials are the
// builder's to judge.
func Answers(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, AnswerWithin)
	defer cancel()
	_, err := Status(ctx, address)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w within %s", ErrSilent, AnswerWithin)
	}
	return unanswered(err)
}

// unanswered is what the error of a question says of a registry; nil where something answered.
func unanswered(err error) error {
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	switch {
	case err == nil, errors.As(err, &certificate), errors.Is(err, http.ErrSchemeMismatch):
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("connection refused")
	case errors.As(err, &name):
		return name
	}
	return fmt.Errorf("it is no registry: %w", err)
}
