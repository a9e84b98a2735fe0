package fix

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

const web = "services:\n  web:\n    image: x\n    ports: ['80']\n    logging: {driver: local}\n"

const restarted = web + "    restart: unless-stopped\n"

// outcome is what became of the fixes, a line each.
func outcome(r Report) string {
	var lines []string
	for _, f := range r.Fixes {
		words := []string{string(f.State), f.ID, strings.Join(f.Subjects, ","), f.Why}
		lines = append(lines, strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " "))
	}
	return strings.Join(lines, "\n")
}

// TestFiles says which file an edit is made in, and which files are never changed. The texts of files begin with what
// the file is: want has those that change.
func TestFiles(t *testing.T) {
	for name, c := range map[string]struct {
		files, want map[string]string
		outcome     string
	}{
		"the file that says what the image is": {
			map[string]string{
				"compose.yaml": web, "compose.override.yaml": "services: {web: {mem_limit: 9m}}\n",
			},
			map[string]string{"compose.yaml": restarted},
			"done restart.missing web",
		},
		"an included file": {
			map[string]string{"compose.yaml": "name: shop\ninclude: [other.yaml]\n", "other.yaml": web},
			nil,
			"refused restart.missing web other.yaml is included or extended, and may be another project's too",
		},
		"a service that extends one of another file": {
			map[string]string{
				"compose.yaml": "services:\n  web:\n    extends: {file: base.yaml, service: web}\n", "base.yaml": web,
			},
			map[string]string{
				"compose.yaml": "services:\n  web:\n    extends: {file: base.yaml, service: web}\n" +
					"    restart: unless-stopped\n",
			},
			"done restart.missing web",
		},
		"a service that another one extends": {
			map[string]string{"compose.yaml": web + "  b:\n    image: y\n    extends: web\n"},
			map[string]string{
				"compose.yaml": restarted + "  b:\n    image: y\n    extends: web\n    restart: unless-stopped\n",
			},
			"done restart.missing b\ndone restart.missing web",
		},
		"what another one takes": {
			map[string]string{"compose.yaml": web + "  b:\n    extends: web\n    ports: !reset []\n"},
			nil,
			"refused restart.missing web it would change services.b.restart too",
		},
		"the version in two files": {
			map[string]string{
				"compose.yaml": "version: '3'\n" + restarted, "compose.override.yaml": "version: '3'\nservices: {}\n",
			},
			map[string]string{"compose.yaml": restarted, "compose.override.yaml": "services: {}\n"},
			"done file.version\ndone file.version",
		},
		"a value that a later file has too": {
			map[string]string{
				"compose.yaml": "services:\n  a: {image: x, depends_on: [b], logging: {driver: local}}\n" +
					"  b: {image: x, healthcheck: {test: [CMD, x]}, logging: {driver: local}}\n",
				"compose.override.yaml": "services: {a: {depends_on: {b: {condition: service_started}}}}\n",
			},
			map[string]string{
				"compose.override.yaml": "services: {a: {depends_on: {b: {condition: service_healthy}}}}\n",
			},
			"done depends.early a",
		},
	} {
		p := newProject(t, c.files)
		r := p.fixed()
		if got := outcome(r); got != c.outcome {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.outcome)
		}
		for file, before := range c.files {
			want := before
			if changed, ok := c.want[file]; ok {
				want = changed
			}
			if got := p.read(file); got != want {
				t.Errorf("%s: %s is\n%s\nwant\n%s", name, file, got, want)
			}
		}
		if left, _ := filepath.Glob(filepath.Join(p.dir, ".*")); len(left) > 0 {
			t.Errorf("%s: left %s", name, left)
		}
	}
}

// TestLinksAreLeft: a file that is a link, or is below one, may be another project's.
func TestLinksAreLeft(t *testing.T) {
	for name, link := range map[string]func(p project) error{
		"a link": func(p project) error {
			return os.Symlink("real.yaml", filepath.Join(p.dir, "compose.yaml"))
		},
		"a hard link": func(p project) error {
			return os.Link(filepath.Join(p.dir, "real.yaml"), filepath.Join(p.dir, "compose.yaml"))
		},
	} {
		p := newProject(t, map[string]string{"real.yaml": web})
		if err := link(p); err != nil {
			t.Fatal(err)
		}
		r := p.fixed()
		if want := "refused restart.missing web compose.yaml is a link, and may be another's file"; outcome(r) != want {
			t.Errorf("%s: got %s", name, outcome(r))
		}
		if r.Fixes[0].Next != "by hand: services.web.restart: unless-stopped" {
			t.Errorf("%s: next: %s", name, r.Fixes[0].Next)
		}
		if p.read("real.yaml") != web {
			t.Errorf("%s: it was changed", name)
		}
	}
	p := newProject(t, map[string]string{"compose.yaml": web})
	if err := os.Symlink(t.TempDir(), filepath.Join(p.dir, "dir")); err != nil {
		t.Fatal(err)
	}
	m, _ := p.examined()
	plan := planner{Options: Options{Model: m}}
	if err := plan.mayChange(filepath.Join(p.dir, "dir", ".dockerignore"), true); err == nil {
		t.Error("a file below a link is changed")
	}
}

// TestWriteKeepsModeAndOwner also says that nothing is left beside the file.
func TestWriteKeepsModeAndOwner(t *testing.T) {
	p := newProject(t, map[string]string{"compose.yaml": web})
	path := filepath.Join(p.dir, "compose.yaml")
	if err := os.Chmod(path, 0o664); err != nil {
		t.Fatal(err)
	}
	root := os.Geteuid() == 0
	if root {
		if err := os.Chown(path, 1234, 4321); err != nil {
			t.Fatal(err)
		}
	}
	p.fixed()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o664 || p.read("compose.yaml") != restarted {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if owner := ownerOf(info); root && owner != "1234:4321" {
		t.Errorf("it is %s's now", owner)
	}
}

// TestFilesThatCanNotBeWritten: each is as it was, and the error says what to do.
func TestFilesThatCanNotBeWritten(t *testing.T) {
	for name, c := range map[string]struct {
		before func(path string) error
		want   string
	}{
		"changed meanwhile": {
			func(path string) error { return os.WriteFile(path, []byte("# new\n"+web), 0o600) },
			"has changed since it was read",
		},
		"changed to a link": {
			func(path string) error {
				return errors.Join(os.Rename(path, path+".x"), os.Symlink(path+".x", path))
			}, "has changed since it was read",
		},
		"gone":      {os.Remove, "no such file"},
		"read-only": {func(path string) error { return os.Chmod(path, 0o444) }, ""},
	} {
		p := newProject(t, map[string]string{"compose.yaml": web})
		path := filepath.Join(p.dir, "compose.yaml")
		r := p.plan()
		if err := c.before(path); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(path)
		err := r.WriteFiles(t.Context())
		var f *fault.Error
		if !errors.As(err, &f) || f.Next == "" || f.Code != fault.Config || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) || r.Fixes[0].State != Failed {
			t.Errorf("%s: %s, and the file is\n%s", name, r.Fixes[0].State, after)
		}
		if left, _ := filepath.Glob(filepath.Join(p.dir, ".*")); len(left) > 0 {
			t.Errorf("%s: left %s", name, left)
		}
	}
}

// Two runs at once: whoever comes second finds the file changed, and nothing is lost.
func TestTwoAtOnce(t *testing.T) {
	p := newProject(t, map[string]string{"compose.yaml": web})
	first, second := p.plan(), p.plan()
	if err := first.WriteFiles(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.WriteFiles(t.Context()); err == nil || p.read("compose.yaml") != restarted {
		t.Errorf("%v\n%s", err, p.read("compose.yaml"))
	}
}

// The settings of a service's runtimes follow its limits; they are in the model, not in the file.
func TestRuntimesFollowALimit(t *testing.T) {
	const before = "services:\n  a:\n    image: x\n    x-compose-mage: {runtime: [go]}\n"
	p := newProject(t, map[string]string{"compose.yaml": before})
	load := func(ctx context.Context, instead map[string][]byte) (*compose.Model, error) {
		return compose.Load(ctx, compose.Request{
			Dir: p.dir, Instead: instead, Machine: engine.Machine{CPUs: 2, Memory: 8 << 30},
		})
	}
	m, err := load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	found := check.Warn("memory.unlimited", "", "so").Of("a").Edited(check.Asked, check.Edit{
		Path: []string{"services", "a", "deploy", "resources", "limits", "memory"}, Value: "2600M",
	})
	r, err := Plan(t.Context(), Options{Model: m, Load: load, Findings: []check.Finding{found}, Decide: agree})
	if err == nil {
		err = r.WriteFiles(t.Context())
	}
	want := before + "    deploy:\n      resources:\n        limits:\n          memory: 2600M\n"
	if err != nil || p.read("compose.yaml") != want || !slices.Equal(r.Fixes[0].Recreate, []string{"a"}) {
		t.Errorf("%v: %s\n%s", err, outcome(r), p.read("compose.yaml"))
	}
}

// What somebody changed between the look and the plan is in the plan, and is not lost.
func TestChangedBeforeThePlan(t *testing.T) {
	p := newProject(t, map[string]string{"compose.yaml": web})
	m, findings := p.examined()
	p.write("compose.yaml", web+"  new:\n    image: y\n")
	r, err := Plan(t.Context(), Options{Model: m, Load: p.load, Findings: findings, Decide: agree})
	if err == nil {
		err = r.WriteFiles(t.Context())
	}
	if want := restarted + "  new:\n    image: y\n"; err != nil || p.read("compose.yaml") != want {
		t.Errorf("%v: %s\n%s", err, outcome(r), p.read("compose.yaml"))
	}
}

// An edit that a later file overrides would be in vain.
func TestOverriddenEdits(t *testing.T) {
	p := newProject(t, map[string]string{
		"compose.yaml": web, "compose.override.yaml": "services: {web: {restart: always}}\n",
	})
	m, _ := p.examined()
	found := check.Warn("restart.missing", "", "so").Of("web").Edited(check.Safe, check.Edit{
		File: filepath.Join(p.dir, "compose.yaml"), Path: []string{"services", "web", "restart"},
		Value: "unless-stopped",
	})
	r, err := Plan(t.Context(), Options{Model: m, Load: p.load, Findings: []check.Finding{found}, Decide: agree})
	if want := "refused restart.missing web another place of the files overrides services.web.restart"; err != nil ||
		outcome(r) != want {
		t.Errorf("%v: %s", err, outcome(r))
	}
}

func TestInterruptedBeforeTheFirstFile(t *testing.T) {
	p := newProject(t, map[string]string{"compose.yaml": web})
	r := p.plan()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.WriteFiles(ctx); !errors.Is(err, context.Canceled) || p.read("compose.yaml") != web {
		t.Errorf("%v\n%s", err, p.read("compose.yaml"))
	}
}

func TestIgnoreFiles(t *testing.T) {
	p := newProject(t, map[string]string{
		"compose.yaml": restarted, "app/x": "", "lib/.dockerignore": "# mine\nnode_modules",
	})
	m, _ := p.examined()
	var findings []check.Finding
	for _, dir := range []string{"app", "lib", "none"} {
		findings = append(findings, check.Warn("build.context", "", "it has .git").Edited(check.Safe, check.Edit{
			File: filepath.Join(p.dir, dir, ".dockerignore"), Lines: []string{".git", "node_modules"},
		}))
	}
	r, err := Plan(t.Context(), Options{Model: m, Load: p.load, Findings: findings, Decide: agree})
	if err == nil {
		err = r.WriteFiles(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	r.Prove(nil)
	if got, want := outcome(r), "done build.context\ndone build.context\n"+
		"refused build.context there is no directory for none/.dockerignore"; got != want {
		t.Errorf("got\n%s", got)
	}
	if got := p.read("app/.dockerignore"); got != ".git\nnode_modules\n" {
		t.Errorf("got %q", got)
	}
	if got := p.read("lib/.dockerignore"); got != "# mine\nnode_modules\n.git\n" {
		t.Errorf("got %q", got)
	}
	info, err := os.Stat(filepath.Join(p.dir, "app", ".dockerignore"))
	if err != nil || info.Mode().Perm()&0o400 == 0 || info.Mode()&fs.ModeSymlink != 0 {
		t.Errorf("%v, %v", info, err)
	}
}

// Actions are done once for all services, and proved by the finding, whatever numbers it has then.
func TestActions(t *testing.T) {
	stale := check.Warn("image.stale", "", "it is older").Of("b", "a")
	stuck := check.Warn("health.stuck", "", "its last 9 checks failed").Of("a")
	disk := check.Warn("disk.engine", "", "9 GiB free")
	r, err := Plan(t.Context(), Options{
		Findings: []check.Finding{stale, stuck, disk, check.Warn("x.y", "", "")}, Decide: agree,
	})
	if err != nil {
		t.Fatal(err)
	}
	var did []string
	err = r.Act(t.Context(), func(_ context.Context, a check.Action, services []string) error {
		did = append(did, string(a)+" "+strings.Join(services, ","))
		return nil
	})
	if want := []string{"cleanup ", "restart a,b"}; err != nil || !slices.Equal(did, want) {
		t.Errorf("did %q, %v", did, err)
	}
	r.Prove([]check.Finding{check.Warn("disk.engine", "", "8 GiB free"), check.Warn("health.stuck", "", "").Of("c")})
	if got, want := outcome(r), "done image.stale b,a\ndone health.stuck a\nremains disk.engine it is still found: "+
		"8 GiB free"; got != want {
		t.Errorf("got\n%s", got)
	}
	if err := r.Verdict(); err == nil {
		t.Error("a finding that is still there is no error")
	}
}

// TestAnswers says what is agreed to: safe.x can't break a service, ask.x may.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name  string
		asker Asker
		typed string
		want  string // of safe, ask, ask
	}{
		{"dry run", Asker{DryRun: true, Yes: true}, "", "- - -"},
		{"yes", Asker{Yes: true}, "", "+ 0 0"},
		{"yes, named", Asker{Yes: true, Only: []string{"ask.x"}}, "", "+ + +"},
		{"nobody", Asker{}, "", "0 0 0"},
		{"one by one", Asker{}, "y\nn\nYES\n", "+ 0 +"},
		{"all", Asker{}, "n\na\n", "0 + +"},
		{"quit", Asker{}, "y\nq\n", "+ 0 0"},
		{"what is no answer is asked again", Asker{}, "what\ny\n\n\n", "+ 0 0"},
		{"the end of the input", Asker{}, "y\n", "+ 0 0"},
	} {
		var out bytes.Buffer
		c.asker.Out = ui.New(&out)
		if c.typed != "" {
			c.asker.In = bufio.NewReader(strings.NewReader(c.typed))
		}
		var got []string
		for _, class := range []check.Fix{check.Safe, check.Asked, check.Asked} {
			f := Fix{ID: string(class) + ".x", Class: class, Evidence: "so", State: Proposed}
			agreed, why, next, err := c.asker.Decide(t.Context(), f)
			switch {
			case err != nil:
				t.Errorf("%s: %v", c.name, err)
			case agreed:
				got = append(got, "+")
			case why != "" && strings.HasPrefix(next, "go tool mage doctor -fix "):
				got = append(got, "0")
			case why == "":
				got = append(got, "-")
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %s, want %s\n%s", c.name, got, c.want, out.String())
		}
	}
}

func TestCtrlCEndsTheQuestion(t *testing.T) {
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer to.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := Asker{Out: ui.New(&bytes.Buffer{}), In: bufio.NewReader(in)}
	if _, _, _, err := a.Decide(ctx, Fix{State: Proposed}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// What is asked shows what will be written, and no secret that is beside it.
func TestDiffHasNoSecrets(t *testing.T) {
	p := newProject(t, map[string]string{
		"compose.yaml": "services:\n  web:\n    image: x\n    ports: ['80']\n    logging: {driver: local}\n" +
			"    environment:\n      DB_PASSWORD: hunter2 and hunter3\n      URL: http://u:hunter4@h/\n" +
			"      \"A_TOKEN\": 'hunter5'\n" +
			"  b: {image: x, ports: ['80'], restart: 'no', environment: {X: y, API_KEY: hunter6, " +
			"U: \"http://u:hunter7@h\"}, command: x --password=hunter8}\n",
	})
	var shown bytes.Buffer
	r := p.plan()
	r.Fixes[0].print(ui.New(&shown))
	for _, f := range r.Fixes {
		if f.ID == "restart.missing" {
			f.print(ui.New(&shown))
		}
	}
	text := shown.String()
	for _, want := range []string{"+    restart: unless-stopped", "made anew at the next start: web", "X: y"} {
		if strings.Contains(text, "hunter") || !strings.Contains(text, want) {
			t.Errorf("%s? shown:\n%s", want, text)
		}
	}
}
