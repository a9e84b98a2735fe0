package evidence

import (
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/container"
)

// TestKillsOf reads records as kernel 6.18 wrote them.
func TestKillsOf(t *testing.T) {
	const (
		own   = "68e3447371f42047d511d3b6c40189b9e6da5469918dc306ffa44f42a34b1d1e"
		other = "f540750ff277a4349c6d783e3281a0ac1dc8c38c396482549695c5cba6a009bf"
		head  = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=" + own + ",mems_allowed=0,"
		tail  = ",uid=0\n SUBSYSTEM=x\n"
		after = ") total-vm:1330408kB, anon-rss:64768kB, file-rss:4440kB, shmem-rss:0kB, UID:0 pgtables:224kB"
	)
	boot := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return boot.Add(time.Duration(seconds) * time.Second) }
	got := killsOf([]string{
		"broken",
		"6,1,x,-;broken",
		"6,376350,1000000,-;veth1: entered promiscuous mode",
		"6,2,2000000,-;" + head + "oom_memcg=/docker/" + own + ",task_memcg=/docker/" + own +
			",task=a,b,pid=16209" + tail,
		"3,3,2000000,-;Memory cgroup out of memory: Killed process 16209 (a,b" + after,
		"6,4,3000000,-;" + head + "oom_memcg=/parent,task_memcg=/parent/" + own + ",task=probe,pid=2" + tail,
		"6,5,4000000,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom," +
			"task_memcg=/system.slice/docker-" + other + ".scope,task=java,pid=3" + tail,
		"6,6,5000000,-;" + head + "oom_memcg=/system.slice/docker-" + other + ".scope," +
			"task_memcg=/system.slice/docker-" + other + ".scope,task=x,pid=4" + tail,
		"3,7,6000000,-;Memory cgroup out of memory: Killed process 5 (x" + after,
		"3,8,7000000,-;Out of memory: Killed process 6 (x" + after,
		"6,9,8000000,-;" + head + "oom_memcg=/user.slice,task_memcg=/user.slice,task=sh,pid=7" + tail,
	}, boot)
	want := []container.KernelKill{
		{At: at(2), Container: own, Process: "a,b", Own: true},
		{At: at(3), Container: own, Process: "probe"},
		{At: at(4), Container: other, Process: "java"},
		{At: at(5), Container: other, Process: "x", Own: true},
		{At: at(6)},
		{At: at(7)}, // the kernel did not say which group
		{At: at(8), Process: "sh"},
	}
	if !got.From.Equal(at(1)) || len(got.Kills) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i, k := range got.Kills {
		if k != want[i] {
			t.Errorf("%d: got %+v, want %+v", i, k, want[i])
		}
	}
}
