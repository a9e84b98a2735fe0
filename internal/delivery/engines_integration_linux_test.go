//go:build integration

package delivery

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// testNode is an engine of its own, the only node of its Swarm: what is sent to a node does not go by the Swarm.
type testNode struct {
	*client.Client
	id, name, address string
}

// startNodes starts engines of the machine's kind beside its own, in network and mount namespaces that end with them.
func startNodes(t *testing.T, n int) []testNode {
	t.Helper()
	nodes := make([]testNode, n)
	for i := range nodes {
		nodes[i] = startNode(t, i)
	}
	for i := range nodes {
		nodes[i].join(t)
	}
	return nodes
}

func startNode(t *testing.T, i int) testNode {
	t.Helper()
	dir, err := os.MkdirTemp("", "node") // t.TempDir holds the test's name: too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cgroup := fmt.Sprintf("delivery-%d-%d", os.Getpid(), i)
	// An engine takes the containerd whose socket it finds in /run for its own.
	cmd := exec.Command("unshare", "--net", "--mount", "--propagation", "private", "sh", "-c",
		"mount -t tmpfs tmpfs /run && ip link set lo up && exec \"$@\"", "sh", daemon.LookPath("dockerd"),
		"--data-root", dir+"/data", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid", "-H", "unix://"+dir+"/s",
		"--cgroup-parent", "/"+cgroup)
	cmd.Stdout, cmd.Stderr = log, log
	child, err := daemon.StartChild(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if child.Stop(syscall.SIGTERM, 30*time.Second) {
			t.Error("a node's engine did not stop")
		}
		if said, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("node %d says\n%s", i, said[max(0, len(said)-4096):])
		}
		_ = log.Close()
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing a node's files: %v", err)
		}
		removeGroups(cgroup)
	})
	c, err := client.New(client.WithHost("unix://" + dir + "/s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return testNode{Client: c, address: "unix://" + dir + "/s"}
}

// removeGroups removes the control groups of a node's containers.
func removeGroups(name string) {
	for _, pattern := range []string{"/sys/fs/cgroup/" + name, "/sys/fs/cgroup/*/" + name} {
		roots, _ := filepath.Glob(pattern)
		for _, root := range roots {
			var all []string
			_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					all = append(all, path)
				}
				return nil
			})
			slices.Reverse(all) // those below first
			for _, path := range all {
				_ = syscall.Rmdir(path)
			}
		}
	}
}

// join makes the engine a Swarm.
func (n *testNode) join(t *testing.T) {
	t.Helper()
	enginetest.Until(t, 30*time.Second, "the node's engine answers", func() bool {
		_, err := n.Ping(t.Context(), client.PingOptions{})
		return err == nil
	})
	_, err := n.SwarmInit(t.Context(),
		client.SwarmInitOptions{AdvertiseAddr: "127.0.0.1", ListenAddr: "127.0.0.1:2377"})
	if err != nil {
		t.Fatal(err)
	}
	info, err := n.Info(t.Context(), client.InfoOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n.id, n.name = info.Info.Swarm.NodeID, info.Info.Name
	// A Swarm's networks are part of no test here, and hold the engine's end up.
	t.Cleanup(func() { _, _ = n.SwarmLeave(context.Background(), client.SwarmLeaveOptions{Force: true}) })
}
