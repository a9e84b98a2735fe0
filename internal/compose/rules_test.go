package compose

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/docker/compose/v5/pkg/api"
)

// rule is one of docker compose's about files and environment. The integration test puts the same rules to docker
// compose itself, but those that are our own.
type rule struct {
	files []string          // names and contents in turn
	env   map[string]string // of the process; @ is the directory of the files
	in    string            // where it is run, below that directory

	project, dir string // dir is below the directory of the files
	read         string // the files that are read, below it
	services     string
	v            string // variable V of the first service
	fails        string // what the error says

	own bool // docker compose has no such rule
}

// one is a file with a service of that name, whose hash depends on the project directory and on V.
func one(name string) string {
	return "services:\n  " + name + ": {image: i, environment: {V: \"${V-unset}\"}, volumes: [\"./data:/d\"]}\n"
}

var rules = map[string]rule{
	"no environment at all": {
		files: []string{"app/compose.yaml", one("a")}, in: "app",
		project: "app", dir: "app", read: "app/compose.yaml", services: "a", v: "unset",
	},
	"default names in their order, and the override": {
		files: []string{
			"app/docker-compose.yaml", one("b"), "app/compose.yml", one("a"), "app/compose.override.yml", one("c"),
		}, in: "app",
		project: "app", dir: "app", read: "app/compose.yml app/compose.override.yml", services: "a c", v: "unset",
	},
	"found in a parent directory": {
		files:   []string{"app/compose.yaml", one("a"), "app/.env", "V=beside", "app/sub/deep/.env", "W=1"},
		in:      "app/sub/deep",
		project: "app", dir: "app", read: "app/compose.yaml", services: "a", v: "beside",
	},
	"the current directory's .env before that beside the file": {
		files: []string{
			"app/compose.yaml", one("a"), "app/.env", "V=beside\nCOMPOSE_PROJECT_NAME=beside", "app/sub/.env", "V=here",
		}, in: "app/sub",
		project: "beside", dir: "app", read: "app/compose.yaml", services: "a", v: "here",
	},
	"the process before .env": {
		files: []string{"app/compose.yaml", one("a"), "app/.env", "V=dot\nCOMPOSE_PROJECT_NAME=dot"}, in: "app",
		env:     map[string]string{"V": "process", "COMPOSE_PROJECT_NAME": "process"},
		project: "process", dir: "app", read: "app/compose.yaml", services: "a", v: "process",
	},
	"COMPOSE_FILE of the process": {
		files: []string{"app/compose.yaml", one("a"), "other/x.yaml", one("x"), "app/y.yaml", one("y")}, in: "app",
		env:     map[string]string{"COMPOSE_FILE": "../other/x.yaml" + string(os.PathListSeparator) + "y.yaml"},
		project: "other", dir: "other", read: "other/x.yaml app/y.yaml", services: "x y", v: "unset",
	},
	"COMPOSE_FILE of .env": {
		files: []string{
			"app/compose.yaml", one("a"), "other/x.yaml", one("x"), "app/y.yaml", one("y"),
			"app/.env", "COMPOSE_FILE=y.yaml,../other/x.yaml\nCOMPOSE_PATH_SEPARATOR=,\nV=here",
		}, in: "app",
		project: "app", dir: "app", read: "app/y.yaml other/x.yaml", services: "x y", v: "here",
	},
	"COMPOSE_FILE of the .env beside a file found above does not count": {
		files: []string{
			"app/compose.yaml", one("a"), "app/y.yaml", one("y"), "app/.env", "COMPOSE_FILE=y.yaml", "app/sub/f", "",
		}, in: "app/sub",
		project: "app", dir: "app", read: "app/compose.yaml", services: "a", v: "unset",
	},
	"the current directory's .env with a file elsewhere": {
		files: []string{"one.yaml", one("a"), "elsewhere/.env", "V=pwd\nCOMPOSE_PROJECT_NAME=frompwd"}, in: "elsewhere",
		env:     map[string]string{"COMPOSE_FILE": "@/one.yaml"},
		project: "frompwd", dir: ".", read: "one.yaml", services: "a", v: "pwd",
	},
	"COMPOSE_FILE empty is not unset": {
		files: []string{"app/compose.yaml", one("a")}, in: "app", env: map[string]string{"COMPOSE_FILE": ""},
		fails: "is a directory",
	},
	"COMPOSE_FILE that is not there": {
		files: []string{"app/compose.yaml", one("a")}, in: "app", env: map[string]string{"COMPOSE_FILE": "n.yaml"},
		fails: "n.yaml",
	},
	"COMPOSE_ENV_FILES instead of .env, the last one winning": {
		files: []string{
			"app/compose.yaml", one("a"), "app/.env", "V=dot", "app/1.env", "V=1\nCOMPOSE_PROJECT_NAME=n1", "app/2.env",
			"V=2",
		}, in: "app",
		env:     map[string]string{"COMPOSE_ENV_FILES": "1.env,2.env"},
		project: "n1", dir: "app", read: "app/compose.yaml", services: "a", v: "2",
	},
	"COMPOSE_ENV_FILES of .env does not count": {
		files: []string{
			"app/compose.yaml", one("a"), "app/.env", "V=dot\nCOMPOSE_ENV_FILES=1.env", "app/1.env", "V=1",
		},
		in:      "app",
		project: "app", dir: "app", read: "app/compose.yaml", services: "a", v: "dot",
	},
	"COMPOSE_ENV_FILES that is not there": {
		files: []string{"app/compose.yaml", one("a")}, in: "app", env: map[string]string{"COMPOSE_ENV_FILES": "n.env"},
		fails: "n.env",
	},
	"COMPOSE_DISABLE_ENV_FILE": {
		files: []string{"app/compose.yaml", one("a"), "app/.env", "V=dot\nCOMPOSE_PROJECT_NAME=dot"}, in: "app",
		env:     map[string]string{"COMPOSE_DISABLE_ENV_FILE": "1"},
		project: "app", dir: "app", read: "app/compose.yaml", services: "a", v: "unset",
	},
	"COMPOSE_DISABLE_ENV_FILE of .env leaves its COMPOSE_ variables": {
		files: []string{
			"app/compose.yaml", one("a"), "app/.env", "V=dot\nCOMPOSE_DISABLE_ENV_FILE=1\nCOMPOSE_PROJECT_NAME=dot",
		}, in: "app",
		project: "dot", dir: "app", read: "app/compose.yaml", services: "a", v: "unset",
	},
	"COMPOSE_DISABLE_ENV_FILE does not concern COMPOSE_ENV_FILES": {
		files: []string{"app/compose.yaml", one("a"), "app/1.env", "V=1"}, in: "app",
		env:     map[string]string{"COMPOSE_DISABLE_ENV_FILE": "1", "COMPOSE_ENV_FILES": "1.env"},
		project: "app", dir: "app", read: "app/compose.yaml", services: "a", v: "1",
	},
	"COMPOSE_DISABLE_ENV_FILE that is no boolean": {
		files: []string{"app/compose.yaml", one("a")}, in: "app",
		env: map[string]string{"COMPOSE_DISABLE_ENV_FILE": "maybe"}, fails: "maybe",
	},
	"a .env that can't be parsed": {
		files: []string{"app/compose.yaml", one("a"), "app/.env", "V='open"}, in: "app", fails: ".env",
	},
	"the name of the file before that of the directory": {
		files: []string{"app/compose.yaml", "name: inside\n" + one("a")}, in: "app",
		project: "inside", dir: "app", read: "app/compose.yaml", services: "a", v: "unset",
	},
	"a name that is none": {
		files: []string{"app/compose.yaml", one("a")}, in: "app",
		env: map[string]string{"COMPOSE_PROJECT_NAME": "No Name"}, fails: "No Name",
	},
	"COMPOSE_PROFILES of the process": {
		files: []string{
			"app/compose.yaml", one("a") + "  p: {image: i, profiles: [more]}\n  q: {image: i, profiles: [other]}\n",
		}, in: "app",
		env:     map[string]string{"COMPOSE_PROFILES": "none, more"},
		project: "app", dir: "app", read: "app/compose.yaml", services: "a p", v: "unset",
	},
	"COMPOSE_PROFILES of the .env beside a file found above": {
		files: []string{
			"app/compose.yaml", one("a") + "  p: {image: i, profiles: [more]}\n", "app/.env", "COMPOSE_PROFILES=*",
			"app/sub/f", "",
		}, in: "app/sub",
		project: "app", dir: "app", read: "app/compose.yaml", services: "a p", v: "unset",
	},
	"no service of an active profile": {
		files: []string{"app/compose.yaml", "services: {p: {image: i, profiles: [more]}}"}, in: "app",
		project: "app", dir: "app", read: "app/compose.yaml",
	},
	"env_file: later ones win, environment wins over all, raw is not expanded": {
		files: []string{
			"app/compose.yaml",
			"services: {a: {image: i, env_file: [1.env, {path: n.env, required: false}, {path: 2.env, format: " +
				"raw}], environment: [W=w, X]}}",
			"app/1.env", "V=1\nW=1\nX=1\nY=${V}${Z-z}", "app/2.env", "V=$not \"q\"", "app/.env", "X=dot",
		}, in: "app",
		project: "app", dir: "app", read: "app/compose.yaml", services: "a", v: `$not "q"`,
	},
	"env_file of an unknown format": {
		files: []string{
			"app/compose.yaml", "services: {a: {image: i, env_file: [{path: 1.env, format: json}]}}", "app/1.env",
			"V=1",
		}, in: "app", fails: "json",
	},
	"env_file that is not there": {
		files: []string{"app/compose.yaml", "services: {a: {image: i, env_file: n.env}}"}, in: "app", fails: "n.env",
	},
	"env_file of a service that is not started": {
		files:   []string{"app/compose.yaml", one("a") + "  p: {image: i, profiles: [more], env_file: n.env}\n"},
		in:      "app",
		project: "app", dir: "app", read: "app/compose.yaml", services: "a", v: "unset",
	},
	"PWD": {
		files: []string{"app/compose.yaml", "services: {a: {image: i, environment: {V: \"${PWD}\"}}}"}, in: "app",
		project: "app", dir: "app", read: "app/compose.yaml", services: "a", v: "@/app",
	},
	"DOCKER_DEFAULT_PLATFORM is the platform of what is built": {
		files: []string{
			"app/compose.yaml", one("a") + "  b: {build: .}\n  c: {build: ., platform: linux/arm/v7}\n", "app/.env",
			"DOCKER_DEFAULT_PLATFORM=linux/arm64",
		}, in: "app",
		project: "app", dir: "app", read: "app/compose.yaml", services: "a b c", v: "unset",
	},
	"COMPOSE_EXPERIMENTAL_OCI_REMOTE of .env": {
		files: []string{
			"app/compose.yaml", "include: [\"oci://registry.invalid/x\"]", "app/.env",
			"COMPOSE_EXPERIMENTAL_OCI_REMOTE=0",
		}, in: "app",
		fails: "disabled",
	},
	"COMPOSE_EXPERIMENTAL_GIT_REMOTE of the process": {
		files: []string{"app/compose.yaml", "include: [\"https://git.invalid/x.git\"]"}, in: "app",
		env: map[string]string{"COMPOSE_EXPERIMENTAL_GIT_REMOTE": "0"}, fails: "disabled",
	},
	"COMPOSE_PARALLEL_LIMIT that is no number": {
		files: []string{"app/compose.yaml", one("a"), "app/.env", "COMPOSE_PARALLEL_LIMIT=all"}, in: "app",
		fails: "must be an integer",
	},
	"a directory that bears a Compose file's name": {
		files: []string{"app/compose.yaml/f", "", "app/compose.yml", one("a")}, in: "app", fails: "is a directory",
	},
	"no Compose file anywhere": {files: []string{"app/f", ""}, in: "app", fails: "no "},

	"compose/ where there is none here": {
		files: []string{
			"app/compose/compose.yaml", one("a"), "app/compose/.env", "V=beside", "compose.yaml", one("above"),
		}, in: "app",
		project: "compose", dir: "app/compose", read: "app/compose/compose.yaml", services: "a", v: "beside", own: true,
	},
	"the .env here before that in compose/": {
		files:   []string{"app/compose/compose.yaml", one("a"), "app/compose/.env", "V=beside", "app/.env", "V=here"},
		in:      "app",
		project: "compose", dir: "app/compose", read: "app/compose/compose.yaml", services: "a", v: "here", own: true,
	},
	"overlays beside a file found above": {
		files: []string{
			"app/compose.yaml", one("a"), "app/tier-8g.yaml", one("t"), "app/.env", "STACK_TIER=8g", "app/sub/f", "",
		}, in: "app/sub",
		project: "app", dir: "app", read: "app/compose.yaml app/tier-8g.yaml", services: "a t", v: "unset", own: true,
	},
	"no overlays beside what COMPOSE_FILE of .env names": {
		files: []string{
			"app/compose.yaml", one("a"), "app/tier-8g.yaml", one("t"), "app/.env",
			"STACK_TIER=8g\nCOMPOSE_FILE=compose.yaml",
		}, in: "app",
		project: "app", dir: "app", read: "app/compose.yaml", services: "a", v: "unset",
	},
}

// lay writes the rule's files, sets its environment and no other that counts, and gives the directory of the files.
func (r rule) lay(t *testing.T) string {
	t.Helper()
	root := write(t, r.files...)
	for name, value := range r.env {
		t.Setenv(name, strings.ReplaceAll(value, "@", root))
	}
	return root
}

func TestFilesAndEnvironmentAreDockerComposes(t *testing.T) {
	for name, r := range rules {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(name, "PWD") {
				t.Skip("no such variable there")
			}
			root := r.lay(t)
			r.check(t, root, Request{Dir: filepath.Join(root, r.in)}) // from elsewhere
			t.Chdir(filepath.Join(root, r.in))
			r.check(t, root, Request{})
		})
	}
}

func (r rule) check(t *testing.T, root string, request Request) {
	t.Helper()
	m, err := Load(context.Background(), request)
	if r.fails != "" {
		if err == nil || !strings.Contains(err.Error(), r.fails) {
			t.Errorf("got error %v, want %q in it", err, r.fails)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var read []string
	for _, file := range m.Files {
		path, _ := filepath.Rel(root, file)
		read = append(read, filepath.ToSlash(path))
	}
	dir, _ := filepath.Rel(root, m.Project.WorkingDir)
	v, want := "", strings.ReplaceAll(r.v, "@", root)
	if names := m.Project.ServiceNames(); len(names) > 0 {
		if p := m.Project.Services[names[0]].Environment["V"]; p != nil {
			v = *p
		}
	}
	for _, c := range []struct{ what, got, want string }{
		{"project", m.Project.Name, r.project},
		{"project directory", filepath.ToSlash(dir), r.dir},
		{"files", strings.Join(read, " "), r.read},
		{"services", strings.Join(m.Project.ServiceNames(), " "), r.services},
		{"V", v, want},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, c.got, c.want)
		}
	}
	for _, s := range m.Project.Services {
		if len(s.EnvFiles) > 0 {
			t.Errorf("%s: env_file is still there: docker compose hashes what it has, not its name", s.Name)
		}
	}
}

func TestSettingsOfTheCommand(t *testing.T) {
	for name, c := range map[string]struct {
		env  string
		here string
		want Settings
	}{
		"none":    {"", "", Settings{}},
		"of .env": {"COMPOSE_REMOVE_ORPHANS=1\nCOMPOSE_PARALLEL_LIMIT=3", "", Settings{RemoveOrphans: true}},
		"as it spells": {
			"COMPOSE_REMOVE_ORPHANS=Y\nCOMPOSE_IGNORE_ORPHANS=nonsense", "", Settings{RemoveOrphans: true},
		},
		"ignore": {"COMPOSE_IGNORE_ORPHANS=true", "", Settings{IgnoreOrphans: true}},
		"from elsewhere": {
			"COMPOSE_IGNORE_ORPHANS=1\nCOMPOSE_REMOVE_ORPHANS=1\nCOMPOSE_PARALLEL_LIMIT=x", "sub",
			Settings{IgnoreOrphans: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := write(t, "compose.yaml", one("a"), ".env", c.env, "sub/f", "")
			m, err := Load(context.Background(), Request{Dir: filepath.Join(root, c.here)})
			if err != nil {
				t.Fatal(err)
			}
			if m.Settings != c.want {
				t.Errorf("got %+v, want %+v", m.Settings, c.want)
			}
		})
	}
}

func TestLoadingLeavesTheProcessAlone(t *testing.T) {
	root := write(t, "compose.yaml", one("a"), ".env",
		"COMPOSE_PROFILES=x\nCOMPOSE_PROJECT_NAME=y\nCOMPOSE_DISABLE_ENV_FILE=1\nV=1")
	before := os.Environ()
	if _, err := Load(context.Background(), Request{Dir: root}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, os.Environ()) {
		t.Error("the process's environment is another one now")
	}
}

// A target that makes no container takes a stack whose env_file is not there yet, as docker compose build and ps do.
func TestEnvFilesAreLeftUnread(t *testing.T) {
	root := write(t, "compose.yaml", "services: {a: {image: i, env_file: n.env}}")
	if _, err := Load(context.Background(), Request{Dir: root, NoEnvFiles: true}); err != nil {
		t.Error(err)
	}
	_, err := Load(context.Background(), Request{Dir: root})
	if want := filepath.Join(root, "compose.yaml:1"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
}

// The library keeps what one project asked for and applies it to the next in the process.
func TestCompatibilityIsOneProjects(t *testing.T) {
	const one = "services: {a: {image: x}}\n"
	for _, c := range []struct{ env, want string }{{"COMPOSE_COMPATIBILITY=true", "_"}, {"", "-"}} {
		dir := write(t, "compose.yaml", one, ".env", c.env+"\n")
		if _, err := Load(t.Context(), Request{Dir: dir}); err != nil {
			t.Fatal(err)
		}
		if api.Separator != c.want {
			t.Errorf("%q: names are joined by %q, want %q", c.env, api.Separator, c.want)
		}
	}
}
