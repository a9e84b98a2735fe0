//go:build integration

package restore

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/sources"
)

// connection is the way to a server, which the test may cut. It is an address of this machine.
type connection struct {
	t       *testing.T
	address string
	to      string

	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
	left     int64 // bytes until it breaks; negative: it does not
	silent   bool  // where it breaks nobody is told so: what is sent gets nowhere
	broken   bool
}

func connect(t *testing.T, to string) *connection {
	t.Helper()
	c := &connection{t: t, to: to, left: -1}
	c.address = c.listen("127.0.0.1:0")
	t.Cleanup(func() { c.breakDown(false) })
	return c
}

func (c *connection) listen(address string) string {
	l, err := net.Listen("tcp", address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	c.listener = l
	c.mu.Unlock()
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", c.to)
			if err != nil {
				_ = from.Close()
				continue
			}
			c.mu.Lock()
			c.open = append(c.open, from, to)
			c.mu.Unlock()
			go c.carry(to, from)
			go c.carry(from, to)
		}
	}()
	return l.Addr().String()
}

// carry gives on what one side sends, until the connection breaks.
func (c *connection) carry(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !c.passes(n) {
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if t, ok := to.(*net.TCPConn); ok && errors.Is(err, io.EOF) {
				_ = t.CloseWrite()
			}
			return
		}
	}
}

// passes says whether bytes get to the other side.
func (c *connection) passes(n int) bool {
	c.mu.Lock()
	if c.left >= 0 && !c.broken {
		c.left -= int64(n)
		c.broken = c.left < 0
	}
	broken, silent := c.broken, c.silent
	c.mu.Unlock()
	if broken {
		c.breakDown(silent)
	}
	return !broken
}

// breakDown cuts all connections, and takes no new ones; a silent one stays open, and carries nothing.
func (c *connection) breakDown(silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken = true; silent {
		return
	}
	_ = c.listener.Close()
	for _, one := range c.open {
		_ = one.Close()
	}
	c.open = nil
}

// breakAfter has it break once so many bytes have passed.
func (c *connection) breakAfter(bytes int64, silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.silent = bytes, silent
}

// mend has it carry again.
func (c *connection) mend() {
	c.breakDown(false)
	c.mu.Lock()
	c.left, c.broken = -1, false
	c.mu.Unlock()
	c.listen(c.address)
}

// s3 starts a server of S3 with the bucket "bucket", in which is a repository, and the keys "key" and "secret". It
// gives its address.
func s3(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "s3")
	build := exec.CommandContext(t.Context(), "go", "build", "-mod=readonly", "-o", program, ".")
	build.Dir = filepath.Join(sources.Root(t), "tools", "s3")
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	child, err := daemon.StartChild(exec.Command(program, address, "key", "secret", "bucket",
		filepath.Join(sources.Root(t), "internal", "restore", "testdata", "repository")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(child.Kill)
	answers(t, address)
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	return address
}

func answers(t *testing.T, address string) {
	t.Helper()
	enginetest.Until(t, 20*time.Second, address+" answers", func() bool {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

// testImage has the programs that these tests start; setup test has built it before.
func testImage(t *testing.T) string {
	t.Helper()
	model, err := compose.Load(t.Context(), compose.Request{
		Files: []string{filepath.Join(sources.Root(t), "compose", "test.yaml")}, NoEnvFiles: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return model.Project.Services["backup-test"].Image
}

// sshServer is one in a container, which takes the user "keeper" with the key user, whose directory is /srv/keeper.
// There, in backups, is a repository.
type sshServer struct {
	address string
	dir     string // with the keys user, other and host, and the file known, by which ssh goes
}

// ssh starts a server of SSH, and has the program ssh go by the files of dir alone.
func (f *fixture) ssh() sshServer {
	f.t.Helper()
	s := sshServer{dir: f.t.TempDir()}
	for _, name := range []string{"user", "other", "host"} {
		said, err := exec.Command("ssh-keygen", "-qt", "ed25519", "-N", "", "-C", "", "-f",
			filepath.Join(s.dir, name)).CombinedOutput()
		if err != nil {
			f.t.Fatalf("this test needs openssh-client: %v: %s", err, said)
		}
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(s.dir, name))
		f.must(err)
		return string(text)
	}
	enginetest.Network(f.t, f.engine, f.name+"-ssh", nil)
	id := enginetest.Container(f.t, f.engine, f.name+"-ssh", &moby.Config{
		Image: testImage(f.t), Env: []string{"HOST_KEY=" + read("host"), "USER_KEY=" + read("user.pub")},
		Cmd: []string{"sh", "-ec", `useradd -md /srv/keeper keeper; mkdir -pm700 /run/sshd /srv/closed /srv/keeper/.ssh
umask 77; echo "$HOST_KEY" >/host; echo "$USER_KEY" >/srv/keeper/.ssh/authorized_keys
cp -r /repository /srv/keeper/backups
chown -R keeper /srv/keeper; exec /usr/sbin/sshd -De -h /host`},
	}, &moby.HostConfig{
		NetworkMode: moby.NetworkMode(f.name + "-ssh"), Mounts: []mount.Mount{{
			Type: mount.TypeBind, Target: "/repository", ReadOnly: true,
			Source: filepath.Join(sources.Root(f.t), "internal", "restore", "testdata", "repository"),
		}},
	}, true)
	for _, n := range f.inspect(id).NetworkSettings.Networks {
		s.address = net.JoinHostPort(n.IPAddress.String(), "22")
	}
	answers(f.t, s.address)
	ssh, err := exec.LookPath("ssh")
	f.must(err)
	bin := f.t.TempDir()
	f.must(os.WriteFile(filepath.Join(bin, "ssh"), fmt.Appendf(nil, "#!/bin/sh\nexec %s -F /dev/null "+
		"-o IdentitiesOnly=yes -o IdentityFile=%s -o UserKnownHostsFile=%s -o GlobalKnownHostsFile=/dev/null \"$@\"\n",
		ssh, s.path("identity"), s.path("known")), 0o755))
	f.t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	f.t.Setenv("SSH_AUTH_SOCK", "")
	s.identity(f, "user")
	return s
}

func (s sshServer) path(name string) string { return filepath.Join(s.dir, name) }

// identity has ssh log in by the key.
func (s sshServer) identity(f *fixture, key string) {
	f.must(copyFile(s.path(key), s.path("identity")))
	f.must(os.Chmod(s.path("identity"), 0o600))
}

// knows has ssh know the key of the server at an address; "" is none.
func (s sshServer) knows(f *fixture, address, key string) {
	text := ""
	if key != "" {
		public, err := os.ReadFile(s.path(key + ".pub"))
		f.must(err)
		host, port, err := net.SplitHostPort(address)
		f.must(err)
		text = fmt.Sprintf("[%s]:%s %s", host, port, public)
	}
	f.must(os.WriteFile(s.path("known"), []byte(text), 0o600))
}
