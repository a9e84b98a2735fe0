//go:build integration

package delivery

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// overSSH sends an image over ssh:// as DOCKER_HOST has it: the distribution's server and client, and docker's own
// helper on the other side. A host key that is not the known one stops the deploy.
func overSSH(t *testing.T, e *engine.Engine, nodes []testNode) {
	t.Helper()
	server := startSSH(t)
	node := nodes[0]
	node.address = server.address(node.address)
	r := sendRequest(t, e, []testNode{node}, "name: delivery\nservices:\n  web: {image: 'delivery/ssh:1', build: .}\n")
	base, first, second := random(t, 8*mib), random(t, mib), random(t, mib)
	built(t, e, "delivery/ssh:1", base, first)
	_, whole := deliver(t, r)
	id := built(t, e, "delivery/ssh:1", base, second)
	_, delta := deliver(t, r)
	t.Logf("bytes over ssh: the image %d, one changed layer of %d %d", whole, len(second), delta)
	if found, err := node.ImageInspect(t.Context(), id); err != nil || found.ID != id {
		t.Errorf("the node has %s, %v; not %s", found.ID, err, id)
	}
	if whole[0] < 9*mib || delta[0] > len64(second)*11/10 {
		t.Errorf("%d bytes for the image, %d for one layer", whole, delta)
	}
	server.forge(t)
	_, err := look(t, r).Plan(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "Host key verification failed") ||
		!strings.Contains(err.Error(), "docker -H ssh://") {
		t.Errorf("with another host key: %v", err)
	}
}

// sshServer is an OpenSSH server on loopback that knows one key, made for it.
type sshServer struct {
	dir, port, user string
}

// address is that of the engine behind a socket.
func (s sshServer) address(socket string) string {
	return "ssh://" + s.user + "@127.0.0.1:" + s.port + strings.TrimPrefix(socket, "unix://")
}

// forge makes the client know another host key.
func (s sshServer) forge(t *testing.T) {
	t.Helper()
	s.keygen(t, "other")
	s.know(t, "other")
}

func (s sshServer) keygen(t *testing.T, name string) {
	t.Helper()
	cmd := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(s.dir, name))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("making a key: %v\n%s", err, out)
	}
}

func (s sshServer) know(t *testing.T, name string) {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(s.dir, name+".pub"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "known_hosts", "[127.0.0.1]:"+s.port+" "+string(key))
}

func (s sshServer) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// startSSH starts the server, and makes ssh of the PATH a client that has its key. The server runs where /run and
// /etc/passwd are its own: it wants a directory and a user there that are made when its package is installed.
func startSSH(t *testing.T) sshServer {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	_ = free.Close()
	s := sshServer{dir: t.TempDir(), port: port, user: me.Username}
	sshd, libraries := sshdProgram(t)
	s.keygen(t, "host")
	s.keygen(t, "client")
	s.know(t, "host")
	public, err := os.ReadFile(filepath.Join(s.dir, "client.pub"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "authorized", "restrict "+string(public))
	s.write(t, "server", fmt.Sprintf("ListenAddress 127.0.0.1\nPort %s\nHostKey %s/host\n"+
		"AuthorizedKeysFile %s/authorized\nPasswordAuthentication no\nUsePAM no\nStrictModes no\nPidFile none\n",
		port, s.dir, s.dir))
	s.write(t, "client.config", fmt.Sprintf("Host *\nIdentityFile %s/client\nIdentitiesOnly yes\nUserKnownHostsFile "+
		"%s/known_hosts\nGlobalKnownHostsFile none\nStrictHostKeyChecking yes\n", s.dir, s.dir))
	client, err := exec.LookPath("ssh")
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "ssh", "#!/bin/sh\nexec "+client+" -F "+s.dir+"/client.config \"$@\"\n")
	t.Setenv("PATH", s.dir+":"+os.Getenv("PATH"))
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(passwd), "\nsshd:") {
		passwd = append(passwd, "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n"...)
	}
	s.write(t, "passwd", string(passwd))
	if err := os.Chmod(filepath.Join(s.dir, "passwd"), 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", "mount --bind "+s.dir+
		"/passwd /etc/passwd && mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && "+
		"exec "+sshd+" -D -e -f "+s.dir+"/server")
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), "LD_LIBRARY_PATH="+libraries), log, log
	child, err := daemon.StartChild(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		child.Kill()
		<-child.Ended()
		_ = log.Close()
		if said, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("sshd says %s", said)
		}
	})
	enginetest.Until(t, 10*time.Second, "the ssh server listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return s
}

// sshdProgram is the machine's, or the distribution's, unpacked and not installed: a package that is installed starts a
// server for everybody.
func sshdProgram(t *testing.T) (path, libraries string) {
	t.Helper()
	if path, err := exec.LookPath("sshd"); err == nil {
		return path, ""
	}
	if _, err := os.Stat("/usr/sbin/sshd"); err == nil {
		return "/usr/sbin/sshd", ""
	}
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", "apt-get download openssh-server libwrap0 && "+
		"for p in *.deb; do dpkg -x $p . || exit; done && ls -d usr/lib/*-linux-gnu*")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("this test needs an OpenSSH server (apt-get install openssh-server): %v", err)
	}
	lines := strings.Fields(string(out))
	return filepath.Join(dir, "usr/sbin/sshd"), filepath.Join(dir, lines[len(lines)-1])
}
