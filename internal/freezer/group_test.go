package freezer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestHierarchies(t *testing.T) {
	const head = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	for name, c := range map[string]struct {
		table string
		want  []group
	}{
		"version 1": {
			head +
				"32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n37 31 0:34 / " +
				"/sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer\n",
			[]group{{Path: "/sys/fs/cgroup/freezer"}},
		},
		"version 1, controllers together": {
			head + "37 31 0:34 / /sys/fs/cgroup/all rw shared:9 master:2 - cgroup none rw,cpu,freezer,memory\n",
			[]group{{Path: "/sys/fs/cgroup/all"}},
		},
		"version 2": {
			"29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
			[]group{{Path: "/sys/fs/cgroup", V2: true}},
		},
		"both: version 1 first": {
			"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n37 31 0:34 / /sys/fs/cgroup/freezer rw - " +
				"cgroup cgroup rw,freezer\n",
			[]group{{Path: "/sys/fs/cgroup/freezer"}, {Path: "/sys/fs/cgroup/unified", V2: true}},
		},
		"a name with a space": {
			`29 23 0:26 / /my\040cgroups rw - cgroup2 cgroup2 rw` + "\n", []group{{Path: "/my cgroups", V2: true}},
		},
		"none": {"22 1 8:1 / / rw - ext4 /dev/sda1 rw\nnonsense\n", nil},
	} {
		if got := hierarchies(c.table); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestBelow(t *testing.T) {
	id, other := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	for _, path := range []string{
		"docker/" + id, "system.slice/docker-" + id + ".scope/init.scope", "my.slice/my-parent.slice/docker-" + id +
			".scope",
		"docker/" + other + "/docker/" + id, // an engine in a container
		"user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + id + ".scope",
	} {
		root := t.TempDir()
		for _, dir := range []string{
			path, "docker/" + other, "system.slice/docker.service", "machine.slice/libpod-conmon-" + id + ".scope",
		} {
			if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		want := filepath.Join(root, strings.TrimSuffix(path, "/init.scope"))
		if got := below(root, id); got != want {
			t.Errorf("%s: got %q", path, got)
		}
		if got := below(root, strings.Repeat("ef", 32)); got != "" {
			t.Errorf("%s: for another container got %q", path, got)
		}
	}
}
