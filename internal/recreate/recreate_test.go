package recreate

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

func service(change func(*types.ServiceConfig)) types.ServiceConfig {
	one, v := "1", "one"
	s := types.ServiceConfig{
		Name:   "web",
		Deploy: &types.DeployConfig{Resources: types.Resources{Limits: &types.Resource{MemoryBytes: 1 << 30}}},
	}
	s.Image, s.Command, s.Labels = "web:1", types.ShellCommand{
		"serve",
		"--password=hunter2",
	}, types.Labels{
		"owner": "hunter2",
	}
	s.Environment = types.MappingWithEquals{"V": &one, "TOKEN": &v}
	if change != nil {
		change(&s)
	}
	return s
}

func keys(t *testing.T, change func(*types.ServiceConfig)) Keys {
	t.Helper()
	k, err := KeysOf(service(change), "id")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestDifferences(t *testing.T) {
	two := "2"
	seven := 7
	for name, c := range map[string]struct {
		change func(*types.ServiceConfig)
		want   []string
	}{
		"nothing": {nil, nil},
		"an environment variable": {
			func(s *types.ServiceConfig) { s.Environment["V"] = &two }, []string{"environment.V 1 -> 2"},
		},
		"a variable without a value": {
			func(s *types.ServiceConfig) { s.Environment["V"] = nil }, []string{`environment.V 1 -> ""`},
		},
		"a new variable": {
			func(s *types.ServiceConfig) { s.Environment["W"] = &two }, []string{"environment.W (new)"},
		},
		"all variables gone": {
			func(s *types.ServiceConfig) { s.Environment = nil }, []string{"environment (gone)"},
		},
		"the image": {
			func(s *types.ServiceConfig) { s.Image = "web:2" }, []string{"image web:1 -> web:2"},
		},
		"a long value": {
			func(s *types.ServiceConfig) { s.Image = strings.Repeat("é", 60) },
			[]string{"image web:1 -> " + strings.Repeat("é", 39) + "…"},
		},
		"a limit": {
			func(s *types.ServiceConfig) { s.Deploy.Resources.Limits.MemoryBytes = 2 << 30 },
			[]string{"deploy.resources.limits.memory 1GiB -> 2GiB"},
		},
		"what may hold a secret": {
			func(s *types.ServiceConfig) {
				s.Command[1], s.Labels = "--password=other", types.Labels{"owner": "other"}
			},
			[]string{"command", "labels.owner"},
		},
		"a whole key": {
			func(s *types.ServiceConfig) { s.HealthCheck = &types.HealthCheckConfig{Test: []string{"CMD", "x"}} },
			[]string{"healthcheck (new)"},
		},
		"a list": {
			func(s *types.ServiceConfig) { s.Ports = []types.ServicePortConfig{{Target: 80}} }, []string{"ports (new)"},
		},
		"what makes no container anew": {func(s *types.ServiceConfig) {
			s.Scale, s.PullPolicy, s.Profiles, s.Deploy.Replicas = &seven, "always", []string{"p"}, &seven
			s.DependsOn, s.Build = types.DependsOnConfig{"db": {}}, &types.BuildConfig{Context: "."}
		}, nil},
		"many": {
			func(s *types.ServiceConfig) {
				s.User, s.Hostname, s.Restart, s.Tty, s.WorkingDir, s.Image = "1", "h", "always", true, "/w", "web:2"
			},
			[]string{"hostname (new)", "image web:1 -> web:2", "restart (new)", "tty (new)", "2 more keys"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Differences(keys(t, nil), keys(t, c.change)); len(got)+len(c.want) > 0 &&
				!reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestRecordHoldsNoSecret looks at the file itself.
func TestRecordHoldsNoSecret(t *testing.T) {
	dir := t.TempDir()
	records := In(dir, "shop")
	if err := records.Keep("abc",
		Record{
			Service: "web", Keys: keys(t, nil),
			Contents: map[string]string{"/run/secrets/tok": Digest("abc", "hunter2")},
		}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "projects", "shop", "models", "abc.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter2", `"one"`} {
		if strings.Contains(string(data), secret) {
			t.Errorf("%q is in %s", secret, data)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
}

func TestRecords(t *testing.T) {
	var none Records
	if _, ok := none.Of("abc"); ok || none.Keep("abc", Record{}) != nil {
		t.Error("the zero value keeps something")
	}
	records := In(t.TempDir(), "shop")
	if known, err := records.Known(); err != nil || len(known) != 0 {
		t.Errorf("before the first: %v, %v", known, err)
	}
	want := Record{Service: "web", Started: "then", Keys: Keys{"image": "web:1"}, Files: map[string]string{"/f": "1:2"}}
	for _, id := range []string{"abc", "def"} {
		if err := records.Keep(id, want); err != nil {
			t.Fatal(err)
		}
	}
	if got, ok := records.Of("abc"); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := records.Forget("abc"); err != nil {
		t.Fatal(err)
	}
	if known, err := records.Known(); err != nil || !reflect.DeepEqual(known, map[string]bool{"def": true}) {
		t.Errorf("after one was removed: %v, %v", known, err)
	}
	if err := os.WriteFile(filepath.Join(records.dir, "def.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := records.Of("def"); ok {
		t.Error("a broken record counts")
	}
}

func TestReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "conf")
	write := func(path, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rename := func(content string) {
		t.Helper()
		write(path+".new", content)
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(path, "one")
	was, wasDir := FileID(path), FileID(dir)
	keep, err := os.Open(path) // as a mount does, so that the inode is not given to the next file
	if err != nil {
		t.Fatal(err)
	}
	defer keep.Close()
	for _, step := range []struct {
		what string
		do   func()
		want bool
	}{
		{"nothing", func() {}, false},
		{"edited in place", func() { write(path, "two") }, false},
		{"replaced by the same", func() { rename("one") }, false},
		{"replaced by another", func() { rename("two") }, true},
		{"removed", func() { _ = os.Remove(path) }, false},
	} {
		step.do()
		if got := Replaced(was, FileID(path)); got != step.want {
			t.Errorf("%s: got %v", step.what, got)
		}
	}
	if Replaced(wasDir, FileID(dir)) || !Replaced("1:2", FileID(dir)) {
		t.Error("directories are not told apart")
	}
}
