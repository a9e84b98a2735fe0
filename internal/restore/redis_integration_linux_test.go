//go:build integration

package restore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// redisImage is the shipped stack's, which setup test has built before.
func redisImage(t *testing.T) string {
	t.Helper()
	model, err := compose.Load(t.Context(), compose.Request{Dir: filepath.Join("..", "..")})
	if err != nil {
		t.Fatal(err)
	}
	return model.Project.Services["redis"].Image
}

// redis runs a server on a volume, by its full name.
func (f *fixture) redis(service, image, volume string, options ...string) string {
	f.t.Helper()
	id := enginetest.Container(f.t, f.engine, f.name+"-"+service+"-1", &moby.Config{
		Image: image, Entrypoint: []string{"redis-server"}, User: "0",
		// Without a limit redis does not refuse what is pushed while whole's script runs: that would be a gap.
		Cmd:    append([]string{"--dir", "/data", "--save", "", "--lua-time-limit", "0"}, options...),
		Labels: enginetest.Labels(f.name, service, "False"),
	}, &moby.HostConfig{
		Mounts: []mount.Mount{{Type: mount.TypeVolume, Source: volume, Target: "/data"}},
	}, true)
	enginetest.Until(f.t, 20*time.Second, "redis answers", func() bool {
		done, err := engine.Exec(context.Background(), f.engine, id, []string{"redis-cli", "ping"})
		return err == nil && strings.TrimSpace(done.Stdout) == "PONG"
	})
	return id
}

// whole says how many numbers the list of a server has, which are those from 1 on in their order.
func (f *fixture) whole(id string) int {
	f.t.Helper()
	const script = `local n = redis.call('llen', 'list')
local all = redis.call('lrange', 'list', 0, -1)
for i = 1, n do if tonumber(all[i]) ~= i then return -i end end
return n`
	done, err := engine.Exec(context.Background(), f.engine, id, []string{"redis-cli", "--raw", "eval", script, "0"})
	f.must(err)
	n, err := strconv.Atoi(strings.TrimSpace(done.Stdout))
	if err != nil || n < 0 {
		f.t.Fatalf("the list is not whole: %v %s%s", err, done.Stdout, done.Stderr)
	}
	return n
}

// TestIntegrationRedisUnderLoad backs redis up while numbers are pushed to a list as fast as it takes them: each
// restore starts, and has a prefix without a gap with all that was there when the backup began. Without an append-only
// file that is so by the recipe alone.
func TestIntegrationRedisUnderLoad(t *testing.T) {
	image := redisImage(t)
	kinds := map[string][]string{ // by the key of their volume
		"file":   {"--appendonly", "yes", "--appendfsync", "everysec"},
		"memory": {"--appendonly", "no"},
	}
	f := newFixture(t, `
services: {file: {image: r, volumes: ['file:/data']}, memory: {image: r, volumes: ['memory:/data']}}
volumes: {file: {}, memory: {}}
`)
	ids := map[string]string{}
	for kind, options := range kinds {
		f.volume(kind)
		ids[kind] = f.redis(kind, image, f.name+"_"+kind, options...)
		load := numbered("RPUSH list %.0f", 250) + " | redis-cli >/dev/null"
		p, err := engine.StartExec(t.Context(), f.engine, ids[kind], []string{"sh", "-c", load}, false)
		f.must(err)
		defer p.Close()
	}
	for i := range count(t, "BACKUPS", 5) {
		time.Sleep(200 * time.Millisecond)
		before := map[string]int{}
		for kind, id := range ids {
			before[kind] = f.whole(id)
		}
		f.backup()
		for _, v := range f.restore(Options{}).Volumes {
			restored := f.redis(fmt.Sprint("restored", i, v.Key), image, v.Name, kinds[v.Key]...)
			n := f.whole(restored)
			t.Logf("%s: %d numbers came back, and %d were there before", v.Key, n, before[v.Key])
			if n < before[v.Key] || before[v.Key] == 0 {
				t.Errorf("%s: numbers are missing", v.Key)
			}
			f.must(removed(f, restored))
		}
	}
}

// numbered is a command that prints lines with the numbers from 1 on: as fast as they are read where BACKUPS has a long
// run, else so many at once, 20 times a second. Backups have as little of the CPU as a machine leaves them, and what is
// saved and restored is as much as was written meanwhile.
func numbered(line string, atOnce int) string {
	if os.Getenv("BACKUPS") != "" {
		return "seq -f '" + line + "' 1 100000000"
	}
	return fmt.Sprintf("i=0; while seq -f '%s' $((i + 1)) $((i += %d)); do sleep 0.05; done", line, atOnce)
}

// TestIntegrationRedisDump has redis give a dump in place of its files.
func TestIntegrationRedisDump(t *testing.T) {
	image := redisImage(t)
	f := newFixture(t, "services: {redis: {image: r, volumes: ['data:/data'], x-compose-mage: {backup: dump}}}\n"+
		"volumes: {data: {}}\n")
	f.volume("data")
	id := f.redis("redis", image, f.name+"_data", "--appendonly", "no")
	_, err := engine.Exec(t.Context(), f.engine, id, []string{"redis-cli", "set", "a", "b"})
	f.must(err)
	f.backup()
	r := f.restore(Options{})
	if len(r.Volumes) != 0 || len(r.Dumps) != 1 {
		t.Fatalf("%+v", r)
	}
	f.volume("new")
	f.must(copyFile(r.Dumps[0], filepath.Join(f.path(f.name+"_new"), "dump.rdb")))
	restored := f.redis("restored", image, f.name+"_new", "--appendonly", "no")
	done, err := engine.Exec(t.Context(), f.engine, restored, []string{"redis-cli", "get", "a"})
	if err != nil || strings.TrimSpace(done.Stdout) != "b" {
		t.Errorf("%q, %v", done.Stdout, err)
	}
}

// removed removes a container and the volume that is mounted in it.
func removed(f *fixture, id string) error {
	volume := f.inspect(id).Mounts[0].Name
	if _, err := f.engine.ContainerRemove(context.Background(), id,
		client.ContainerRemoveOptions{Force: true}); err != nil {
		return err
	}
	_, err := f.engine.VolumeRemove(context.Background(), volume, client.VolumeRemoveOptions{})
	return err
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}
