package current

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/pinned"
)

const (
	// longestDir is what the kernel's limit for socket paths leaves for the directory.
	longestDir = 70
	// answerWithin bounds the engine's start, stopWithin its end; then it is killed.
	answerWithin = time.Minute
	stopWithin   = 30 * time.Second
)

// Options say where the engine lives and what it reaches.
type Options struct {
	// Dir holds root, state, log and socket of the engine. It stays when the engine stops, images included.
	Dir string
	// Registry is the host:port of a registry on this machine's loopback. The engine reaches it under the same
	// address, over plain HTTP, and takes it for a mirror of Docker Hub. Empty for none.
	Registry string
	// Loopback are further host:port addresses on this machine's loopback that the engine reaches under the same
	// address.
	Loopback []string
	// Distribution takes the machine's own dockerd and containerd, of whatever version, instead of building current
	// ones.
	Distribution bool
	// Inside runs functions in the network namespace that the engine is to use, which is the caller's to make and to
	// close; nil for one of the engine's own. Registry and Loopback are not led there.
	Inside func(func() error) error
	// HostName is what the engine takes for its machine's name; "" for the machine's own.
	HostName string
	// Settings are further ones of the engine's configuration.
	Settings map[string]any
}

// Engine is a running engine.
type Engine struct {
	Host string // unix://<Dir>/docker.sock
	Log  string // the path of its log

	lock    *os.File
	network *network
	init    *daemon.Child // the first process of the engine's namespaces
	// a file: where it is there when dockerd ends, init goes on, and as ….down until that is removed
	crashed string
}

// initScript is the first process of the engine's namespaces: it collects the orphans (containerd's shims), and when
// it ends the kernel ends all others. What the machine's own engine has in /run is hidden: this one would use its
// containerd. The files that hold process numbers are left by an engine that was killed: their numbers now belong to
// others, and this one would not start.
const initScript = `for dir in /run/containerd /run/docker; do
  mkdir -p "$dir" && mount -t tmpfs tmpfs "$dir" || exit 1
done
[ -z "$3" ] || echo "$3" >/proc/sys/kernel/hostname || exit 1
crashed=$1 pids=$2; shift 3
trap 'kill -TERM $pid' TERM
while :; do
  rm -f "$pids/docker.pid" "$pids/exec/containerd/containerd.pid"
  "$@" & pid=$!
  while kill -0 $pid 2>/dev/null; do wait $pid; done
  mv "$crashed" "$crashed.down" 2>/dev/null || exit
  while [ -e "$crashed.down" ]; do sleep 0.05; done
done`

// Start builds the engine where that was not done yet, starts it and waits until it answers. Who started it stops it.
func Start(ctx context.Context, o Options) (_ *Engine, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("starting a current engine: it needs root")
	}
	for _, name := range []string{"runc", "iptables", "ip"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("starting a current engine: %w; apt-get install runc iptables iproute2", err)
		}
	}
	dir, err := filepath.Abs(o.Dir)
	if err == nil && len(dir) > longestDir {
		err = fmt.Errorf("the path %q is longer than %d bytes, too long for its sockets", dir, longestDir)
	}
	if err != nil {
		return nil, fmt.Errorf("starting a current engine: %w", err)
	}
	dockerd, err := o.dockerd(ctx)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		Host: "unix://" + filepath.Join(dir, "docker.sock"), Log: filepath.Join(dir, "dockerd.log"),
		crashed: filepath.Join(dir, "crashed"),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Stop())
		}
	}()
	if e.lock, err = lockDir(dir); err != nil {
		return nil, fmt.Errorf("starting a current engine: %w", err)
	}
	if o.Inside == nil {
		if e.network, err = openNetwork(ctx, dir, o.loopback()); err != nil {
			return nil, fmt.Errorf("giving the current engine a network: %w", err)
		}
		o.Inside = e.network.Do
	}
	if err := e.start(dir, dockerd, o); err != nil {
		return nil, fmt.Errorf("starting the current engine: %w", err)
	}
	if err := e.await(ctx); err != nil {
		return nil, fmt.Errorf("starting the current engine: %w; see %s", err, e.Log)
	}
	return e, nil
}

// dockerd is the path of the engine's program. Its containerd and its proxy are found beside it, or in the PATH.
func (o Options) dockerd(ctx context.Context) (string, error) {
	if o.Distribution {
		path, err := exec.LookPath("dockerd")
		if err != nil {
			return "", fmt.Errorf("starting the distribution's engine: %w", err)
		}
		return path, nil
	}
	paths, err := pinned.Build(ctx, "dockerd", "docker-proxy", "containerd", "containerd-shim-runc-v2")
	if err != nil {
		return "", err
	}
	return paths[0], nil
}

// loopback are the addresses to forward.
func (o Options) loopback() []string {
	if o.Registry == "" {
		return o.Loopback
	}
	return append([]string{o.Registry}, o.Loopback...)
}

// lockDir makes the directory and keeps other engines out of it until the file is closed or this process ends.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another process runs one in %q: %w", dir, err)
	}
	return f, nil
}

// start starts dockerd, which starts its containerd.
func (e *Engine) start(dir, dockerd string, o Options) error {
	config := map[string]any{
		"data-root": filepath.Join(dir, "data"), "exec-root": filepath.Join(dir,
			"exec"), "pidfile": filepath.Join(dir, "docker.pid"),
		// The distribution's runc may be older than 1.2, which brought time namespaces.
		"features": map[string]bool{"containerd-snapshotter": true, "time-namespaces": false},
	}
	if e.network != nil {
		config["mtu"] = e.network.mtu
	}
	if o.Registry != "" {
		config["registry-mirrors"] = []string{"http://" + o.Registry}
		config["insecure-registries"] = []string{o.Registry}
	}
	maps.Copy(config, o.Settings)
	text, err := json.Marshal(config)
	if err != nil {
		return fmt.Errorf("encoding its configuration: %w", err)
	}
	file := filepath.Join(dir, "daemon.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("writing its configuration: %w", err)
	}
	for _, left := range []string{e.crashed, e.crashed + down} {
		_ = os.Remove(left)
	}
	log, err := os.OpenFile(e.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening its log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command("sh", "-c", initScript, "sh", e.crashed, dir, o.HostName, dockerd, "--config-file",
		file, "-H", e.Host)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(dockerd)+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUTS}
	daemon.Cage(cmd)
	e.init, err = daemon.StartChildOn(cmd, o.Inside)
	return err
}

// await waits until the engine answers.
func (e *Engine) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	socket := strings.TrimPrefix(e.Host, "unix://")
	api := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/_ping", nil)
		if err != nil {
			return err
		}
		resp, err := api.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("asking whether it runs: %s", resp.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		case <-e.init.Ended():
			return errors.New("it ended at once")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Ended is closed when the engine has ended, for whatever reason.
func (e *Engine) Ended() <-chan struct{} { return e.init.Ended() }

// Stop ends the engine, its containers and its network; a second call does nothing. What is in Dir stays.
func (e *Engine) Stop() error {
	if e.init != nil {
		e.init.Stop(syscall.SIGTERM, stopWithin)
	}
	var err error
	if e.network != nil {
		err = e.network.close()
	}
	if e.lock != nil {
		_ = e.lock.Close() // also gives up the lock
	}
	return err
}

// Kill ends the engine and its containers at once, as a power cut would, and waits until they are gone. Stop is still
// to be called, for the network.
func (e *Engine) Kill() {
	if e.init != nil {
		e.init.Kill()
	}
}
