// Package redis tests the image's scripts against a real redis-server. It has no Go code of its
// own: the image is a configuration, an entrypoint and a health check in POSIX sh.
package redis

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const password = "0123456789abcdef"

// container is what the entrypoint sees: its files in one directory, a free port, a cgroup.
type container struct {
	dir, port   string
	environment []string
}

func newContainer(t *testing.T) *container {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI must install redis-server")
		}
		t.Skip("redis-server is not installed")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	_ = listener.Close()
	c := &container{dir: t.TempDir(), port: port}
	shipped, err := os.ReadFile("redis.conf")
	if err != nil {
		t.Fatal(err)
	}
	moved := strings.NewReplacer("port 6379", "port "+port, "dir /data", "dir "+c.dir).Replace(string(shipped))
	c.write(t, "redis.conf", moved)
	c.write(t, "password", password+"\n")
	c.environment = append(os.Environ(), "REDIS_CONF="+c.path("redis.conf"), "REDIS_RENDERED_CONF="+c.path("rendered.conf"),
		"REDIS_PASSWORD_FILE="+c.path("password"), "REDIS_CGROUP="+c.path("cgroup"), "REDIS_PORT="+port)
	return c
}

func (c *container) path(name string) string { return filepath.Join(c.dir, name) }

func (c *container) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(c.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs the entrypoint until the test ends and waits for the health check to pass.
func (c *container) start(t *testing.T, environment ...string) {
	t.Helper()
	command := exec.Command("./redis-entrypoint")
	command.Env = append(c.environment, environment...)
	var output strings.Builder
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
	})
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = c.health(); err == nil {
			return
		}
	}
	t.Fatalf("not healthy: %v\n%s", err, output.String())
}

func (c *container) health() error {
	check := exec.Command("./redis-health")
	check.Env = c.environment
	output, err := check.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

func TestEntrypointBoundsMemory(t *testing.T) {
	for _, c := range []struct {
		name, file, limit, set, want string
	}{
		{"cgroup v2", "cgroup/memory.max", "536870912", "", "402653184"},
		{"cgroup v2 without limit", "cgroup/memory.max", "max", "", "0"},
		{"cgroup v1", "cgroup/memory/memory.limit_in_bytes", "268435456", "", "201326592"},
		{"cgroup v1 without limit", "cgroup/memory/memory.limit_in_bytes", "9223372036854771712", "", "0"},
		{"no cgroup", "elsewhere", "1", "", "0"},
		{"set by hand", "cgroup/memory.max", "536870912", "123456789", "123456789"},
	} {
		t.Run(c.name, func(t *testing.T) {
			box := newContainer(t)
			box.write(t, c.file, c.limit+"\n")
			box.start(t, "REDIS_MAXMEMORY="+c.set)
			client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + box.port, Password: password})
			defer func() { _ = client.Close() }()
			for setting, want := range map[string]string{
				"maxmemory": c.want, "maxmemory-policy": "volatile-ttl", "appendonly": "yes", "save": "",
			} {
				got, err := client.ConfigGet(context.Background(), setting).Result()
				if err != nil || got[setting] != want {
					t.Errorf("%s is %q (%v), want %q", setting, got[setting], err, want)
				}
			}
		})
	}
}

func TestPasswordIsAskedForAndNotShown(t *testing.T) {
	box := newContainer(t)
	box.start(t)
	stranger := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + box.port})
	defer func() { _ = stranger.Close() }()
	if err := stranger.Ping(context.Background()).Err(); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("without a password: got %v, want NOAUTH", err)
	}
	info, err := os.Stat(box.path("rendered.conf"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("rendered configuration: %v %v, want mode 0600", info.Mode(), err)
	}
	arguments, err := exec.Command("ps", "-eo", "args").Output()
	if err == nil && strings.Contains(string(arguments), password) {
		t.Error("the password is in a process's arguments")
	}
	box.write(t, "password", "another")
	if err := box.health(); err == nil {
		t.Error("the health check passed with a wrong password")
	}
}

func TestEntrypointRefuses(t *testing.T) {
	for _, c := range []struct{ name, secret, set, want string }{
		{"empty secret", "\n", "", "is empty"},
		{"secret with a line break", "a\nb", "", "may hold only"},
		{"memory with a unit", password, "1gb", "want bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			box := newContainer(t)
			box.write(t, "password", c.secret)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			command := exec.CommandContext(ctx, "./redis-entrypoint")
			command.Env = append(box.environment, "REDIS_MAXMEMORY="+c.set)
			output, err := command.CombinedOutput()
			if err == nil || !strings.Contains(string(output), c.want) {
				t.Errorf("got %v, %q, want a refusal with %q", err, output, c.want)
			}
		})
	}
}
