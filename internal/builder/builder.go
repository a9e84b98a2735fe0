// Package builder owns the connection to one BuildKit: how it is dialled, that it answers, and what it says of itself.
// What is built there, and which of several builders an image goes to, are others' to say.
package builder

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/content/proxy"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/grpchijack"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	// The address schemes that BUILDKIT_HOST may use beside unix and tcp.
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer"
	_ "github.com/moby/buildkit/client/connhelper/kubepod"
	_ "github.com/moby/buildkit/client/connhelper/podmancontainer"
	_ "github.com/moby/buildkit/client/connhelper/ssh"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// TLSVariable names a directory with ca.pem, cert.pem and key.pem for a builder behind mutual TLS.
const TLSVariable = "BUILDKIT_TLS_DIR"

// answerWithin bounds the wait for a builder to answer before anything is built.
const answerWithin = 10 * time.Second

// Builder is a checked connection to one BuildKit.
type Builder struct {
	*client.Client
	ID        string // stays the same as long as the builder keeps its build cache
	Where     string // for messages: `at "unix:///…"`, or "in the engine"
	Native    bool   // the engine's own: what it builds is in the engine's store
	Remote    bool   // on another machine, which may reach other registries than this one
	Platforms []ocispecs.Platform
	Gateway   string // what extra_hosts' host-gateway stands for; "" where the builder doesn't say

	Dial session.Dialer // opens a session, in which the builder asks back for files and secrets
}

// Hijacker opens a raw connection through the engine's API; *engine.Engine has it.
type Hijacker interface {
	DialHijack(ctx context.Context, url, proto string, meta map[string][]string) (net.Conn, error)
}

// ConnectEngine dials the engine's own BuildKit.
func ConnectEngine(ctx context.Context, engine Hijacker) (*Builder, error) {
	b := &Builder{Where: "in the engine", Native: true}
	b.Dial = func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
		return engine.DialHijack(ctx, "/session", proto, meta)
	}
	c, err := client.New(ctx, "", client.WithSessionDialer(b.Dial),
		client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return engine.DialHijack(ctx, "/grpc", "h2c", nil)
		}))
	return b, b.answers(ctx, c, err)
}

// Connect dials the builder and checks that it answers. address is BUILDKIT_HOST's, or what setup made; "" is the error
// that there is none.
func Connect(ctx context.Context, address string) (*Builder, error) {
	if address == "" {
		return nil,
			fault.New(fault.Builder, "go tool mage setup",
				"no builder: BUILDKIT_HOST is not set and setup has made none")
	}
	var opts []client.ClientOpt
	if dir := os.Getenv(TLSVariable); dir != "" && strings.HasPrefix(address, "tcp:") {
		opts = append(opts,
			client.WithServerConfig("", filepath.Join(dir, "ca.pem")),
			client.WithCredentials(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")))
	}
	b := &Builder{Where: fmt.Sprintf("at %q", address), Remote: !strings.HasPrefix(address, "unix:") &&
		!strings.HasPrefix(address, "docker-container:")}
	c, err := client.New(ctx, address, opts...)
	if err == nil {
		b.Dial = grpchijack.Dialer(c.ControlClient())
	}
	return b, b.answers(ctx, c, err)
}

// answers waits for a new connection's builder to answer and reads what it is.
func (b *Builder) answers(ctx context.Context, c *client.Client, err error) error {
	if err != nil {
		return fault.New(fault.Builder, "go tool mage setup", "connecting to the builder %s: %w", b.Where, err)
	}
	answer, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	workers, err := c.ListWorkers(answer)
	if err == nil && len(workers) == 0 {
		err = fmt.Errorf("it has no worker")
	}
	if err != nil {
		_ = c.Close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.New(fault.Builder, "go tool mage setup", "the builder %s does not answer: %w", b.Where, err)
	}
	b.Client, b.ID, b.Platforms = c, workers[0].ID, workers[0].Platforms
	b.Gateway = workers[0].Labels["org.mobyproject.buildkit.worker.moby.host-gateway-ip"]
	return nil
}

// Alive says whether the builder still answers, after something on it failed.
func (b *Builder) Alive(ctx context.Context) bool {
	answer, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_, err := b.ListWorkers(answer)
	return err == nil
}

// BlobSize gives the size of a blob in the builder's store, in bytes.
func (b *Builder) BlobSize(blob digest.Digest) (int64, error) {
	answer, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	info, err := proxy.NewContentStore(b.ContentClient()).Info(answer, blob)
	return info.Size, err
}
