package image

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/buildkit/client"
	// The address schemes that BUILDKIT_HOST may use beside unix and tcp.
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer"
	_ "github.com/moby/buildkit/client/connhelper/kubepod"
	_ "github.com/moby/buildkit/client/connhelper/ssh"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// TLSVariable names a directory with ca.pem, cert.pem and key.pem for a builder behind mutual TLS.
const TLSVariable = "BUILDKIT_TLS_DIR"

// answerWithin bounds the wait for a builder to answer before anything is built.
const answerWithin = 10 * time.Second

// Hijacker opens a raw connection through the engine's API; *engine.Engine has it.
type Hijacker interface {
	DialHijack(ctx context.Context, url, proto string, meta map[string][]string) (net.Conn, error)
}

// ConnectEngine dials the engine's own BuildKit.
func ConnectEngine(ctx context.Context, engine Hijacker) (*client.Client, error) {
	c, err := client.New(ctx, "",
		client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return engine.DialHijack(ctx, "/grpc", "h2c", nil)
		}),
		client.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return engine.DialHijack(ctx, "/session", proto, meta)
		}))
	return answering(ctx, c, err, "in the engine")
}

// Connect dials the builder and checks that it answers. address is BUILDKIT_HOST's, or what setup made; "" is the error
// that there is none.
func Connect(ctx context.Context, address string) (*client.Client, error) {
	if address == "" {
		return nil, fault.New(fault.Builder, "go tool mage setup", "no builder: BUILDKIT_HOST is not set and setup has made none")
	}
	var opts []client.ClientOpt
	if dir := os.Getenv(TLSVariable); dir != "" {
		opts = append(opts,
			client.WithServerConfig("", filepath.Join(dir, "ca.pem")),
			client.WithCredentials(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")))
	}
	c, err := client.New(ctx, address, opts...)
	return answering(ctx, c, err, fmt.Sprintf("at %q", address))
}

// answering waits for a new connection's builder to answer; where says which one it is.
func answering(ctx context.Context, c *client.Client, err error, where string) (*client.Client, error) {
	if err != nil {
		return nil, fault.New(fault.Builder, "go tool mage setup", "connecting to the builder %s: %w", where, err)
	}
	answer, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if _, err := c.Info(answer); err != nil {
		_ = c.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fault.New(fault.Builder, "go tool mage setup", "the builder %s does not answer: %w", where, err)
	}
	return c, nil
}
