package recreate

import (
	"archive/tar"
	"bytes"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/container"
)

const shop = `services:
  web: {image: x, networks: [back, front], volumes: ["data:/data", "./conf:/conf"]}
  sidecar: {image: x, network_mode: "service:web"}
  plain: {image: x}
  tunnel: {provider: {type: x}}
networks: {back: {name: n-back}, front: {name: n-front}, outside: {external: true}}
volumes: {data: {name: v-data}, cache: {name: v-cache}}
`

// stack is that project.
func stack(t *testing.T) *types.Project {
	t.Helper()
	project := composetest.Load(t, shop)
	project.Name = "shop"
	return project
}

func TestCause(t *testing.T) {
	project := stack(t)
	right := moby.Summary{
		ImageID: "new", Mounts: []moby.MountPoint{{Name: "v-data"}},
		NetworkSettings: &moby.NetworkSettingsSummary{
			Networks: map[string]*network.EndpointSettings{"n-back": {}, "n-front": {}},
		},
	}
	unplugged, unmounted := right, right
	unplugged.NetworkSettings = &moby.NetworkSettingsSummary{
		Networks: map[string]*network.EndpointSettings{"n-back": {}},
	}
	unmounted.Mounts = nil
	never := right
	never.NetworkSettings = nil
	here := imageState{id: "new"}
	const unknown = "its configuration changed; in which keys is not known: nothing was kept of what it was made from"
	for name, c := range map[string]struct {
		service  string
		keys     []string
		recorded bool
		image    imageState
		replica  moby.Summary
		diverged []string
		want     string
	}{
		"keys": {
			"web", []string{"a", "b"}, true, imageState{missing: true}, right, nil, "its configuration changed: a, b",
		},
		"no image": {
			"web", nil, true, imageState{missing: true}, right, nil, "its image is not there",
		},
		"another image": {
			"web", nil, true,
			imageState{id: "newer"},
			right, nil,
			"its image changed: x new -> newer",
		},
		"the engine does not tell": {"web", nil, false, imageState{}, right, nil, unknown},
		"a namespace": {
			"sidecar", nil, true, here, right, []string{"plain", "web"}, "it shares the network of web",
		},
		"a network": {
			"web", nil, true, here, unplugged, []string{"plain"}, "it is not attached to its network front",
		},
		"it never ran, so is in no one": {"web", nil, false, here, never, nil, unknown},
		"a volume": {
			"web", nil, true, here, unmounted, nil, "it does not mount the volume v-data",
		},
		"nothing that we see": {
			"web", nil, true, here, right, nil, "docker compose's record of its configuration or image changed",
		},
		"nothing that we see, nor record": {"web", nil, false, here, right, nil, unknown},
	} {
		replicas := []moby.Summary{right, c.replica}
		if c.image.id == "newer" {
			replicas[0].ImageID = "newer"
		}
		got, image := cause(project, project.Services[c.service], c.keys, c.recorded, c.image, replicas, c.diverged)
		if got != c.want || image != strings.HasPrefix(c.want, "its image changed") {
			t.Errorf("%s: %q %v, want %q", name, got, image, c.want)
		}
	}
}

func TestMoreReasons(t *testing.T) {
	project := stack(t)
	ours := moby.Summary{
		Labels: map[string]string{
			api.WorkingDirLabel:  project.WorkingDir,
			api.ConfigFilesLabel: strings.Join(project.ComposeFiles, ","),
		},
	}
	other := composetest.Load(t, shop)
	theirs := moby.Summary{Labels: map[string]string{
		api.WorkingDirLabel: other.WorkingDir, api.ConfigFilesLabel: strings.Join(other.ComposeFiles, ","),
	}}
	reasons := map[string]string{"plain": "its secret changed"}
	moreReasons(project, reasons, map[string]bool{"back": true}, map[string][]moby.Summary{
		"web": {ours}, "sidecar": {ours, theirs}, "plain": {theirs},
	})
	if want := map[string]string{
		"plain": "its secret changed", "web": "the settings of its network back changed",
		"sidecar": "another checkout made it, " + other.WorkingDir,
	}; !maps.Equal(reasons, want) {
		t.Errorf("got %v, want %v", reasons, want)
	}
	reasons = map[string]string{"web": "its secret changed"}
	moreReasons(project, reasons, map[string]bool{"back": true}, map[string][]moby.Summary{"web": {theirs}})
	if reasons["web"] != "its secret changed" {
		t.Errorf("%q", reasons["web"])
	}
	reasons = map[string]string{}
	moreReasons(project, reasons, map[string]bool{"back": true}, nil)
	if len(reasons) > 0 {
		t.Errorf("what has no container is not made anew: %v", reasons)
	}
}

func TestChanged(t *testing.T) {
	project := stack(t)
	up, down := one(moby.StateRunning, nil), one(moby.StateExited, func(c *container.Replica) { c.State.ExitCode = 3 })
	got := changed(
		project,
		map[string]string{"web": "its image changed", "tunnel": "?"},
		map[string][]container.Replica{
			"web": {down}, "sidecar": {down}, "plain": {up},
		},
		time.Now(),
	)
	if want := map[string]Change{
		"web": {Why: "its image changed", Recreate: true}, "sidecar": {Why: "p-s-1 exited (exit 3)", Start: true},
	}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSummaries(t *testing.T) {
	r := one(moby.StateRunning, func(c *container.Replica) {
		c.ID, c.Image, c.Mounts = "id", "image", []moby.MountPoint{{Name: "v"}}
		c.NetworkSettings = &moby.NetworkSettings{Networks: map[string]*network.EndpointSettings{"n": {}}}
	})
	got := summaries(map[string][]container.Replica{"web": {r, one(moby.StateExited, nil)}})["web"]
	if len(got) != 2 || got[0].ID != "id" || got[0].ImageID != "image" || !mounts(got[0], "v") ||
		!attached(got[0], "n") ||
		attached(got[0], "m") ||
		got[0].State != moby.StateRunning ||
		got[1].NetworkSettings != nil {
		t.Errorf("%+v", got)
	}
}

func TestDivergedNetworks(t *testing.T) {
	project := stack(t)
	hash := func(key string) string {
		n := project.Networks[key]
		h, err := compose.NetworkHash(&n)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	has := func(key, name, hash string) network.Summary {
		var n network.Summary
		n.Name, n.Labels = name, map[string]string{api.NetworkLabel: key, api.ConfigHashLabel: hash}
		return n
	}
	for name, c := range map[string]struct {
		has  []network.Summary
		want string
	}{
		"none":            {nil, ""},
		"as it should be": {[]network.Summary{has("back", "n-back", hash("back"))}, ""},
		"another": {
			[]network.Summary{has("back", "n-back", "old"), has("front", "n-front", hash("front"))}, "back",
		},
		"without a record": {[]network.Summary{has("back", "n-back", "")}, ""},
		"of two the one so named": {
			[]network.Summary{has("back", "older", "old"), has("back", "n-back", hash("back"))}, "",
		},
		"of two the other is fine": {
			[]network.Summary{has("back", "older", hash("back")), has("back", "n-back", "old")}, "back",
		},
		"another name": {[]network.Summary{has("back", "older", "old")}, "back"},
		"not ours":     {[]network.Summary{has("outside", "outside", "old")}, ""},
	} {
		got, err := diverged(project, c.has)
		if err != nil || strings.Join(slices.Sorted(maps.Keys(got)), " ") != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestKeptVolumes(t *testing.T) {
	project := stack(t)
	outside := types.VolumeConfig{Name: "v-cache", External: true}
	data := project.Volumes["data"]
	same, err := compose.VolumeHash(data)
	if err != nil {
		t.Fatal(err)
	}
	has := func(key, name, hash string) volume.Volume {
		return volume.Volume{Name: name, Labels: map[string]string{api.VolumeLabel: key, api.ConfigHashLabel: hash}}
	}
	for name, c := range map[string]struct {
		has  volume.Volume
		kept bool
	}{
		"as it should be":  {has("data", "v-data", same), false},
		"another":          {has("data", "v-data", "old"), true},
		"another name":     {has("data", "other", "old"), false},
		"another key":      {has("other", "v-data", "old"), false},
		"without a record": {has("data", "v-data", ""), false},
		"not ours":         {has("outside", "v-cache", "old"), false},
	} {
		project.Volumes = types.Volumes{"data": data}
		if c.has.Name == outside.Name {
			project.Volumes = types.Volumes{"outside": outside}
		}
		got, err := kept(project, []volume.Volume{c.has})
		if err != nil || (len(got) == 1) != c.kept {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if c.kept &&
			!strings.HasPrefix(
				got[0],
				"the volume v-data has other settings than the Compose file's: it stays as it is",
			) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestOccupied(t *testing.T) {
	project := stack(t)
	project = project.WithServicesDisabled("plain")
	in := func(ids ...string) network.Inspect {
		var n network.Inspect
		n.Name, n.Containers = "n-back", map[string]network.EndpointResource{}
		for _, id := range ids {
			n.Containers[id] = network.EndpointResource{Name: "name-of-" + id, IPv4Address: netip.Prefix{}}
		}
		return n
	}
	found := map[string][]container.Replica{}
	for _, service := range []string{"web", "plain", "gone"} {
		found[service] = []container.Replica{one(moby.StateRunning, func(c *container.Replica) { c.ID = service })}
	}
	for name, c := range map[string]struct {
		n    network.Inspect
		want string
	}{
		"nobody":                 {in(), ""},
		"those that are started": {in("web"), ""},
		"another's": {
			in("web", "stranger"), "next: docker network disconnect n-back name-of-stranger",
		},
		"of a service that stays":       {in("plain"), "next: go tool mage start sidecar tunnel web plain"},
		"of one that the files lack":    {in("gone"), "next: docker network disconnect n-back name-of-gone"},
		"it is named which is in there": {in("gone"), "while name-of-gone, which is not to be started here, is in it"},
	} {
		err := occupied(c.n, project, found)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDryRunNotes(t *testing.T) {
	d := DryRun{Recreated: map[string]int{}, Hooks: map[string]bool{}}
	for _, labels := range []map[string]string{
		{api.ServiceLabel: "web", api.ContainerReplaceLabel: "web-1"},
		{api.ServiceLabel: "web", api.ContainerReplaceLabel: "web-2"},
		{api.ServiceLabel: "db"},
		{api.ServiceLabel: "job", api.HookLabel: "pre_start"},
	} {
		d.creates(labels)
	}
	if want := (DryRun{Recreated: map[string]int{"web": 2}, Hooks: map[string]bool{"job": true}}); !reflect.DeepEqual(
		d,
		want,
	) {
		t.Errorf("got %+v", d)
	}
}

func TestWithGiven(t *testing.T) {
	project := composetest.Load(t, `services:
  tunnel: {provider: {type: x}}
  web: {image: x, environment: {OWN: "1"}, depends_on: [tunnel]}
  bare: {image: x, depends_on: [tunnel]}
  plain: {image: x}
`)
	r := one(
		moby.StateRunning,
		func(c *container.Replica) { c.Config.Env = []string{"TUNNEL_URL=u", "OTHER=o", "OWN=0"} },
	)
	for service, want := range map[string]string{"web": "OWN=1 TUNNEL_URL=u", "bare": "TUNNEL_URL=u", "plain": ""} {
		var got []string
		s := withGiven(project, project.Services[service], []container.Replica{r})
		for _, key := range slices.Sorted(maps.Keys(s.Environment)) {
			got = append(got, key+"="+*s.Environment[key])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", service, got, want)
		}
	}
	if len(project.Services["web"].Environment) != 1 {
		t.Error("the project itself was changed")
	}
	if s := withGiven(project, project.Services["web"], nil); len(s.Environment) != 1 {
		t.Errorf("without a container nothing was given: %v", s.Environment)
	}
}

func TestOtherText(t *testing.T) {
	archive := func(text string) *bytes.Buffer {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Name: "x", Size: int64(len(text)), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(text))
		_ = w.Close()
		return &b
	}
	for name, c := range map[string]struct {
		content *bytes.Buffer
		want    bool
	}{
		"same": {archive("hello"), false}, "another": {archive("hullo"), true}, "longer": {archive("hello, you"), true},
		"shorter": {archive("hell"), true}, "no archive": {bytes.NewBufferString("hello"), false},
	} {
		if got := otherText(c.content, "hello"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestOutdatedFile: what is known of a file depends on where the engine is.
func TestOutdatedFile(t *testing.T) {
	dir := t.TempDir()
	there, gone, elsewhere := filepath.Join(dir, "conf"), filepath.Join(dir, "gone"), filepath.Join(t.TempDir(), "x")
	for _, path := range []string{there, elsewhere} {
		if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	project := composetest.Load(
		t,
		"services: {web: {image: x, configs: [{source: conf, target: /conf}]}}\nconfigs: {conf: {file: ./conf}}\n",
	)
	project.WorkingDir = dir
	conf := project.Configs["conf"]
	conf.File = there
	project.Configs["conf"] = conf
	bind := func(source, target string) []moby.MountPoint {
		return []moby.MountPoint{
			{Type: mount.TypeVolume, Source: gone, Destination: target},
			{Type: mount.TypeBind, Source: source, Destination: target},
		}
	}
	old := Record{Files: map[string]string{"/conf": "1:1 other", "/other": "1:1 other"}}
	for name, c := range map[string]struct {
		mounts  []moby.MountPoint
		running bool
		record  Record
		files   sight
		want    string
	}{
		"as it should be":         {bind(there, "/conf"), true, Record{}, byContainer, ""},
		"the engine is elsewhere": {bind(gone, "/conf"), false, old, noFiles, ""},
		"from another place": {
			bind(elsewhere, "/conf"), false, Record{}, byContainer, "it mounts " + elsewhere + ", not ./conf",
		},
		"from where can't be known": {bind(elsewhere, "/conf"), false, Record{}, byRecord, ""},
		"gone": {
			bind(gone, "/other"), false, Record{}, byContainer, "it mounts ./gone, which is gone",
		},
		"gone, and it runs": {bind(gone, "/other"), true, Record{}, byContainer, ""},
		"gone, elsewhere":   {bind(gone, "/other"), false, Record{}, byRecord, ""},
		"replaced": {
			bind(there, "/other"), true, old, byRecord, "it still has the old ./conf, which was replaced",
		},
		"replaced, and it is down": {bind(there, "/other"), false, old, byRecord, ""},
	} {
		r := one(moby.StateExited, nil)
		if c.running {
			r = one(moby.StateRunning, func(r *container.Replica) { r.State.Pid = os.Getpid() })
		}
		r.ID, r.Mounts = "no container's", c.mounts
		if got := (Comparison{Project: project}).outdatedFile("web", r, c.record, c.files); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestFilesOf(t *testing.T) {
	t.Setenv("TOKEN", "t")
	project := composetest.Load(t, `services:
  web:
    image: x
    secrets: [file, {source: file, target: named}, {source: file, target: /abs}, token]
    configs: [conf, {source: conf, target: sub/x}, inline]
secrets: {file: {file: ./s}, token: {environment: TOKEN}}
configs: {conf: {file: ./c}, inline: {content: "x"}}
`)
	s, c := project.Secrets["file"].File, project.Configs["conf"].File
	want := map[string]string{"/run/secrets/file": s, "/run/secrets/named": s, "/abs": s, "/conf": c, "/sub/x": c}
	if got := filesOf(project, project.Services["web"]); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestHasFiles(t *testing.T) {
	if hasFiles(moby.Summary{Mounts: []moby.MountPoint{{Type: mount.TypeVolume}}}) ||
		!hasFiles(moby.Summary{Mounts: []moby.MountPoint{{Type: mount.TypeBind}}}) {
		t.Error("a file is what is mounted from this machine")
	}
}

// TestRecordOfAStart: the files of this machine and the contents that Compose copied, as digests.
func TestRecordOfAStart(t *testing.T) {
	project := composetest.Load(
		t,
		"services: {web: {image: x, configs: [inline]}}\nconfigs: {inline: {content: \"secret\"}}\n",
	)
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := one(moby.StateRunning, func(c *container.Replica) {
		c.ID, c.State.StartedAt = "id", "now"
		c.Mounts = []moby.MountPoint{
			{Type: mount.TypeBind, Source: path, Destination: "/x"},
			{Type: mount.TypeVolume, Source: path, Destination: "/v"},
		}
	})
	keys := Keys{"image": "x"}
	want := Record{
		Service: "web", Keys: keys, Version: keysVersion, Started: "now", Files: map[string]string{"/x": FileID(path)},
		Contents: map[string]string{"/inline": Digest("id", "secret")},
	}
	if got := recordOf(project, "web", r.InspectResponse, keys, byRecord); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := recordOf(project, "web", r.InspectResponse, keys, noFiles); len(got.Files) > 0 || len(got.Contents) != 1 {
		t.Errorf("elsewhere: %+v", got)
	}
}

func TestFileID(t *testing.T) {
	dir := t.TempDir()
	small, large := filepath.Join(dir, "small"), filepath.Join(dir, "large")
	for path, size := range map[string]int{small: contentLimit, large: contentLimit + 1} {
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		path  string
		parts int
	}{
		"a file": {small, 2}, "a large one": {large, 1}, "a directory": {dir, 1},
		"nothing": {filepath.Join(dir, "nosuch"), 0},
	} {
		if got := FileID(c.path); len(strings.Fields(got)) != c.parts {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestAttached(t *testing.T) {
	in := func(networks map[string]*network.EndpointSettings) moby.Summary {
		return moby.Summary{NetworkSettings: &moby.NetworkSettingsSummary{Networks: networks}}
	}
	for name, c := range map[string]struct {
		r    moby.Summary
		want bool
	}{
		"it never ran": {moby.Summary{}, true}, "in it": {in(map[string]*network.EndpointSettings{"n": {}}), true},
		"in another": {in(map[string]*network.EndpointSettings{"m": {}}), false}, "in none": {in(nil), false},
	} {
		if got := attached(c.r, "n"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestForgetOfARecordThatCannotGo: an error of removing a record is told, unless there is none.
func TestForgetOfARecordThatCannotGo(t *testing.T) {
	dir := t.TempDir()
	records := In(dir, "shop")
	if err := records.Forget("none"); err != nil {
		t.Error(err)
	}
	path := filepath.Join(dir, "projects", "shop", "models", "id"+extension)
	if err := os.MkdirAll(filepath.Join(path, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := records.Forget("id"); err == nil {
		t.Error("no word of a record that stays")
	}
}
