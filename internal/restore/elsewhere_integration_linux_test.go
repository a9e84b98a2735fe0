//go:build integration

package restore

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/volumehelper"
)

// remoteEngine makes DOCKER_HOST name the engine by an address of TCP, as another machine's is named.
func remoteEngine(t *testing.T, host string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("unix", strings.TrimPrefix(host, "unix://"))
			if err != nil {
				_ = from.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					if half, ok := pair[0].(interface{ CloseWrite() error }); ok {
						_ = half.CloseWrite()
					}
				}()
			}
		}
	}()
	t.Setenv("DOCKER_HOST", "tcp://"+l.Addr().String())
}

// TestIntegrationElsewhere runs tests with an engine of which nothing but its address is used. With BACKUP_ELSEWHERE=1
// there are more of them, and the engine is a second one, with namespaces and a data root of its own.
func TestIntegrationElsewhere(t *testing.T) {
	host := enginetest.Connect(t).Host
	tests := map[string]func(*testing.T){"odd files": TestIntegrationOddFiles}
	if os.Getenv("BACKUP_ELSEWHERE") != "" {
		host = secondEngine(t)
		tests["swap"], tests["killed"] = TestIntegrationSwap, TestIntegrationKilled
		tests["one moment"] = TestIntegrationBackupsAreOfOneMoment
	} else {
		t.Setenv("BACKUP_FILES", "100")
	}
	remoteEngine(t, host)
	for name, test := range tests {
		t.Run(name, test)
	}
	left, err := enginetest.Connect(t).ContainerList(t.Context(), client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", "com.25eloquence.volume-helper"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range left.Items {
		if strings.HasPrefix(c.Labels["com.25eloquence.volume-helper"], "bk-") {
			t.Errorf("left: %v", c.Names)
		}
	}
}

// secondEngine starts an engine that has the image of the helper, and gives its address.
func secondEngine(t *testing.T) string {
	t.Helper()
	own, second := enginetest.Connect(t), enginetest.Current(t, "")
	image, err := own.ImageSave(t.Context(), []string{volumehelper.Image})
	if err != nil {
		t.Fatalf("%v: go tool mage setup -backup", err)
	}
	loaded, err := second.ImageLoad(t.Context(), image)
	if err == nil {
		_, err = io.Copy(io.Discard, loaded)
		err = errors.Join(err, loaded.Close(), image.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return second.Host
}

// A user who is not root, and may use the engine, saves volumes and has them back; the repository is that user's.
func TestIntegrationNotRoot(t *testing.T) {
	f, _ := writerFixture(t, nil)
	const nobody = 65534
	password := filepath.Join(t.TempDir(), "password")
	text, err := os.ReadFile(os.Getenv(snapshots.PasswordVariable))
	f.must(err)
	f.must(os.WriteFile(password, text, 0o600))
	t.Setenv(snapshots.PasswordVariable, password)
	t.Setenv("HOME", f.dir)
	f.must(os.Chmod(filepath.Dir(f.dir), 0o711))
	for _, dir := range []string{f.dir, f.repo, filepath.Dir(password), os.Getenv(state.Variable)} {
		f.must(filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Lchown(path, nobody, nobody))
		}))
	}
	socket, err := os.Stat(strings.TrimPrefix(f.engine.Host, "unix://"))
	f.must(err)
	owner, ok := socket.Sys().(*syscall.Stat_t)
	if !ok || socket.Mode().Perm()&0o060 != 0o060 {
		t.Skip("the engine's socket is no group's")
	}
	c := exec.Command(filepath.Join(f.dir, "test"))
	program, err := os.ReadFile(os.Args[0])
	f.must(err)
	f.must(os.WriteFile(c.Path, program, 0o755))
	c.Env = append(os.Environ(), backupVariable+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{owner.Gid}},
	}
	said, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "ended: <nil>") || !strings.Contains(string(said), "stood still") {
		t.Fatalf("%v: %s", err, said)
	}
	f.must(filepath.WalkDir(f.repo, func(path string, e fs.DirEntry, err error) error {
		f.must(err)
		if info, err := e.Info(); err == nil && info.Sys().(*syscall.Stat_t).Uid != nobody {
			t.Errorf("%s is not the user's", path)
		}
		return err
	}))
	f.numbers(filepath.Join(f.path(f.restore(Options{}).Volumes[0].Name), "log"))
}
