//go:build unix

package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// mark is in every file whose content must not be told.
const mark = "TOPSECRET"

// shadow is a file that is somebody's, and no Compose file.
const shadow = "root:$6$" + mark + ":19000:0:99999:7:::\nnot a " + mark + " variable\n" + mark + ": [\n"

// hostile is a folder that somebody else made: files are written, and make makes what is no file.
type hostile struct {
	files map[string]string
	make  func(dir string) error
	wants string // in the error; "" where it loads
	code  fault.Code
}

func laughs(depth, width int) string {
	var b strings.Builder
	b.WriteString("x-0: &l0 [" + strings.Repeat("lol,", width) + "lol]\n")
	for i := 1; i <= depth; i++ {
		fmt.Fprintf(&b, "x-%d: &l%d [%s*l%d]\n", i, i, strings.Repeat(fmt.Sprintf("*l%d,", i-1), width), i-1)
	}
	return b.String() + "services: {a: {image: x, command: *l" + fmt.Sprint(depth) + "}}\n"
}

func services(n int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&b, "  s%d: {image: x}\n", i)
	}
	return b.String()
}

var hostileFolders = map[string]hostile{
	"billion laughs": {
		files: map[string]string{"compose.yaml": laughs(9, 9)}, wants: "compose.yaml", code: fault.Config,
	},
	"laughs of mappings": {
		files: map[string]string{"compose.yaml": mergeLaughs(30)}, wants: "compose.yaml", code: fault.Config,
	},
	"an anchor in itself": {
		files: map[string]string{"compose.yaml": "services: &a {a: *a}\n"}, wants: "compose.yaml", code: fault.Config,
	},
	"a million services": {
		files: map[string]string{"compose.yaml": services(1_000_000)}, wants: "compose.yaml", code: fault.Config,
	},
	"deep nesting": {
		files: map[string]string{"compose.yaml": "x-a: " + strings.Repeat("[", 200_000)}, wants: "compose.yaml",
		code: fault.Config,
	},
	"deep nesting that closes": {
		files: map[string]string{
			"compose.yaml": "services: {a: {image: x}}\nx-a: " + strings.Repeat("[", 9_000) +
				strings.Repeat("]", 9_000),
		}, wants: "compose.yaml", code: fault.Config,
	},
	"deep mappings": {
		files: map[string]string{
			"compose.yaml": "services: {a: {image: x}}\nx-a: " + strings.Repeat("{a: ", 5_000) +
				strings.Repeat("}", 5_000),
		}, wants: "compose.yaml", code: fault.Config,
	},
	"include of itself": {
		files: map[string]string{"compose.yaml": "include: [compose.yaml]\nservices: {a: {image: x}}\n"},
		wants: "compose.yaml:1", code: fault.Config,
	},
	"include in a circle": {
		files: map[string]string{
			"compose.yaml": "include: [b.yaml]\nservices: {a: {image: x}}\n", "b.yaml": "include: [compose.yaml]\n",
		}, wants: "yaml:1", code: fault.Config,
	},
	"extends of itself": {
		files: map[string]string{"compose.yaml": "services: {a: {image: x, extends: a}}\n"}, wants: "compose.yaml:1",
		code: fault.Config,
	},
	"extends in a circle": {
		files: map[string]string{"compose.yaml": "services:\n  a: {image: x, extends: b}\n  b: {extends: a}\n"},
		wants: "compose.yaml:", code: fault.Config,
	},
	"depends_on in a circle": {
		files: map[string]string{
			"compose.yaml": "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n",
		}, wants: "compose.yaml:", code: fault.Config,
	},
	"a tree of includes": {files: includes(16, 6)},
	"variables of variables": {
		files: map[string]string{"compose.yaml": plainFile["compose.yaml"], ".env": doubling(40)}, wants: ".env:",
		code: fault.Config,
	},
	"of an env_file": {
		files: map[string]string{"compose.yaml": "services: {a: {image: x, env_file: e}}\n", "e": doubling(40)},
		wants: "e:", code: fault.Config,
	},
	"a file of the kernel": {
		files: map[string]string{"compose.yaml": "include: [/proc/kmsg]\n"}, wants: "kmsg", code: fault.Config,
	},
	"as many as are read": {
		files: map[string]string{"compose.yaml": services(80_000)}, wants: "compose.yaml", code: fault.Config,
	},
	"as deep as is read": {
		files: map[string]string{
			"compose.yaml": "services: {a: {image: x}}\nx-a: " + strings.Repeat("{a: ", 150) + strings.Repeat("}", 150),
		},
	},
	"defaults of defaults": {
		files: map[string]string{
			"compose.yaml": "services: {a: {image: 'x" + strings.Repeat("${A:-", 25) + strings.Repeat("}", 25) +
				"'}}\n",
		},
	},
	"a value of another's": {
		files: map[string]string{"compose.yaml": "include: [SHADOW.yaml]\n"}, wants: "shadow.yaml", code: fault.Config,
	},
	"a value by extends": {
		files: map[string]string{"compose.yaml": "services: {a: {extends: {file: SHADOW.yaml, service: a}}}\n"},
		wants: "shadow.yaml", code: fault.Config,
	},
	"a pipe": {make: fifo("compose.yaml"), wants: "is a pipe", code: fault.Config},
	"a pipe as override": {
		files: plainFile, make: fifo("compose.override.yaml"), wants: "is a pipe", code: fault.Config,
	},
	"a pipe as include": {
		files: map[string]string{"compose.yaml": "include: [p]\n"}, make: fifo("p"), wants: "is a pipe",
		code: fault.Config,
	},
	"a pipe as env_file": {
		files: map[string]string{"compose.yaml": "services: {a: {image: x, env_file: p}}\n"}, make: fifo("p"),
		wants: "is a pipe", code: fault.Config,
	},
	"a pipe as label_file": {
		files: map[string]string{"compose.yaml": "services: {a: {image: x, label_file: p}}\n"}, make: fifo("p"),
		wants: "is a pipe", code: fault.Config,
	},
	"a pipe as extends": {
		files: map[string]string{"compose.yaml": "services: {a: {extends: {file: p, service: x}}}\n"}, make: fifo("p"),
		wants: "is a pipe", code: fault.Config,
	},
	"a pipe as .env":    {files: plainFile, make: fifo(".env"), wants: "is a pipe", code: fault.Config},
	"an endless device": {make: link("/dev/zero", "compose.yaml"), wants: "is a device", code: fault.Config},
	"an endless include": {
		files: map[string]string{"compose.yaml": "include: [/dev/zero]\n"}, wants: "is a device", code: fault.Config,
	},
	"an endless env_file": {
		files: map[string]string{"compose.yaml": "services: {a: {image: x, env_file: /dev/zero}}\n"},
		wants: "is a device", code: fault.Config,
	},
	"an endless .env": {
		files: plainFile, make: link("/dev/zero", ".env"), wants: "is a device", code: fault.Config,
	},
	"a directory": {
		make:  func(dir string) error { return os.Mkdir(filepath.Join(dir, "compose.yaml"), 0o700) },
		wants: "compose.yaml", code: fault.Config,
	},
	"a link to itself": {
		make: link("compose.yaml", "compose.yaml"), wants: "compose.yaml", code: fault.Config,
	},
	"a huge file": {
		files: plainFile,
		make:  func(dir string) error { return os.Truncate(filepath.Join(dir, "compose.yaml"), 1<<36) },
		wants: "compose.yaml", code: fault.Config,
	},
	"NUL bytes": {
		files: map[string]string{"compose.yaml": "services: {a: {image: \"x\x00\"}}\n"}, wants: "compose.yaml:1",
		code: fault.Config,
	},
	"invalid UTF-8": {
		files: map[string]string{"compose.yaml": "services: {a: {image: x\xff\xfe}}\n"}, wants: "compose.yaml:1",
		code: fault.Config,
	},
	"an endless interpolation": {
		files: map[string]string{
			"compose.yaml": "services: {a: {image: '" + strings.Repeat("${A:-", 100_000) +
				strings.Repeat("}", 100_000) + "'}}\n",
		}, wants: "compose.yaml", code: fault.Config,
	},
	"a huge interpolation": {
		files: map[string]string{
			".env": "A=" + strings.Repeat("x", 1<<20) + "\n", "compose.yaml": "services: {a: {image: x, command: '" +
				strings.Repeat("$A", 4000) + "'}}\n",
		}, wants: "compose.yaml", code: fault.Config,
	},
	"names of a shell": {
		files: map[string]string{"compose.yaml": "services: {\"$(touch x)\": {image: x}}\n"}, wants: "compose.yaml:1",
		code: fault.Config,
	},
	"a list": {
		files: map[string]string{"compose.yaml": "- a\n- b\n"}, wants: "compose.yaml:1", code: fault.Config,
	},
	"a word": {
		files: map[string]string{"compose.yaml": mark + "\n"}, wants: "compose.yaml:1", code: fault.Config,
	},
	"another's include": {
		files: map[string]string{"compose.yaml": "include: [SHADOW]\n"}, wants: "shadow", code: fault.Config,
	},
	"another's include, linked": {
		files: map[string]string{"compose.yaml": "include: [x.yaml]\n"}, make: link("SHADOW", "x.yaml"),
		wants: "x.yaml", code: fault.Config,
	},
	"another's env_file": {
		files: map[string]string{"compose.yaml": "services: {a: {image: x, env_file: SHADOW}}\n"}, wants: "shadow",
		code: fault.Config,
	},
	"another's include.env": {
		files: map[string]string{
			"compose.yaml": "include: [{path: b.yaml, env_file: SHADOW}]\n", "b.yaml": "services: {}\n",
		}, wants: "shadow", code: fault.Config,
	},
	"another's extends": {
		files: map[string]string{"compose.yaml": "services: {a: {extends: {file: SHADOW, service: x}}}\n"},
		wants: "shadow", code: fault.Config,
	},
	"another's label_file": {
		files: map[string]string{"compose.yaml": "services: {a: {image: x, label_file: SHADOW}}\n"}, wants: "shadow",
		code: fault.Config,
	},
	"another's .env":         {files: plainFile, make: link("SHADOW", ".env"), wants: ".env", code: fault.Config},
	"another's Compose file": {make: link("SHADOW", "compose.yaml"), wants: "compose.yaml", code: fault.Config},
	"another's override": {
		files: plainFile, make: link("SHADOW", "compose.override.yaml"), wants: "override", code: fault.Config,
	},
	"another's secret": {
		files: map[string]string{
			"compose.yaml": "services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {file: SHADOW}}\n",
		},
	},
	"another's raw env_file": {
		files: map[string]string{
			"compose.yaml": "services: {a: {image: x, env_file: [{path: SHADOW, format: raw}]}}\n",
		}, wants: "shadow", code: fault.Config,
	},
}

var plainFile = map[string]string{"compose.yaml": "services: {a: {image: x}}\n"}

// doubling is an env file whose last variable has 2^n characters.
func doubling(n int) string {
	var b strings.Builder
	b.WriteString("A0=xx\n")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "A%d=$A%d${A%d}\n", i, i-1, i-1)
	}
	return b.String()
}

func mergeLaughs(depth int) string {
	b := strings.Builder{}
	b.WriteString("x-0: &m0 {a: {b: c}}\n")
	for i := 1; i <= depth; i++ {
		fmt.Fprintf(&b, "x-%d: &m%d {a: *m%d, b: *m%d}\n", i, i, i-1, i-1)
	}
	return b.String() + "services: {a: {image: x}}\n"
}

// includes is a tree: each file includes all of the next level.
func includes(depth, width int) map[string]string {
	files := map[string]string{}
	for level := range depth {
		text := "services: {}\n"
		if level+1 < depth {
			text = "include:\n"
			for i := range width {
				text += fmt.Sprintf("  - l%d-%d.yaml\n", level+1, i)
			}
		}
		for i := range width {
			files[fmt.Sprintf("l%d-%d.yaml", level, i)] = text
		}
	}
	files["compose.yaml"] = "include: [l0-0.yaml]\nservices: {a: {image: x}}\n"
	return files
}

func fifo(name string) func(string) error {
	return func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, name), 0o600) }
}

func link(to, name string) func(string) error {
	return func(dir string) error {
		return os.Symlink(strings.Replace(to, "SHADOW", filepath.Join(filepath.Dir(dir), "shadow"), 1),
			filepath.Join(dir, name))
	}
}

// slow are the folders that take seconds.
var slow = map[string]bool{"as many as are read": true, "a file of the kernel": true, "a million services": true}

// TestHostileComposeFiles loads what somebody else may have put into a repository: each ends in time, with an error
// that names the file and has nothing of what is in it.
func TestHostileComposeFiles(t *testing.T) {
	for name, h := range hostileFolders {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && slow[name] {
				t.Skip("it takes seconds")
			}
			base := write(t)
			dir, other := filepath.Join(base, "project"), filepath.Join(base, "shadow")
			if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(other, []byte(shadow), 0o600),
				os.WriteFile(other+".yaml",
					[]byte("services: {a: {image: x, ports: ['"+mark+"'], mem_limit: "+mark+"}}\n"),
					0o600)); err != nil {
				t.Fatal(err)
			}
			for file, text := range h.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(strings.ReplaceAll(text, "SHADOW", other)),
					0o600); err != nil {
					t.Fatal(err)
				}
			}
			if h.make != nil {
				if err := h.make(dir); err != nil {
					t.Fatal(err)
				}
			}
			done := make(chan error, 1)
			begun := time.Now()
			go func() {
				_, err := Load(context.Background(), Request{Dir: dir})
				done <- err
			}()
			select {
			case err := <-done:
				h.check(t, err)
			case <-time.After(40 * time.Second):
				t.Error("it hangs")
			}
			t.Logf("%s", time.Since(begun).Round(time.Millisecond))
		})
	}
}

func (h hostile) check(t *testing.T, err error) {
	t.Helper()
	if h.wants == "" {
		if err != nil {
			t.Errorf("got %v", err)
		}
		return
	}
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != h.code || !strings.Contains(err.Error(), h.wants) {
		t.Errorf("got %.600v, want code %d and %q", err, h.code, h.wants)
		return
	}
	text := err.Error()
	if strings.Contains(text, mark) || strings.Contains(text, ":19000:") || len(text) > 2000 ||
		strings.ContainsAny(text, "\x00\x1b") || !utf8.ValidString(text) {
		t.Errorf("the error has content of a file, or is long (%d): %.600s", len(text), text)
	}
}

// An error of a file of the project's own says what is wrong with it; one of another place does not.
func TestWhatIsTheProjectsIsShown(t *testing.T) {
	const bad = "services: {a: {image: x, mem_limit: " + mark + "}}\n"
	for name, c := range map[string]struct {
		files []string
		shown bool
	}{
		"its own": {[]string{"app/compose.yaml", bad}, true},
		"of its repository": {
			[]string{".git/HEAD", "", "app/compose.yaml", "include: [../b.yaml]\n", "b.yaml", bad}, true,
		},
		"of no repository": {[]string{"app/compose.yaml", "include: [../b.yaml]\n", "b.yaml", bad}, false},
		"an env file": {
			[]string{"app/compose.yaml", "services: {a: {image: x, env_file: e}}\n", "app/e", "not a " + mark + "\n"},
			false,
		},
		"an unended quote": {
			[]string{"app/compose.yaml", "services: {a: {image: x, env_file: e}}\n", "app/e", "A='" + mark + "\n"},
			false,
		},
		"a template": {
			[]string{"app/compose.yaml", "services: {a: {image: x, env_file: e}}\n", "app/e", "A=${" + mark + "\n"},
			false,
		},
		"the .env": {
			[]string{"app/compose.yaml", "services: {a: {image: x}}\n", "app/.env", "not a " + mark + "\n"}, false,
		},
		"the .env of an include": {
			[]string{
				"app/compose.yaml", "include: [b/c.yaml]\n", "app/b/c.yaml", "services: {a: {image: x}}\n",
				"app/b/.env", "not a " + mark + "\n",
			}, false,
		},
		"a label_file": {
			[]string{"app/compose.yaml", "services: {a: {image: x, label_file: l}}\n", "app/l", "not a " + mark + "\n"},
			false,
		},
	} {
		dir := write(t, c.files...)
		_, err := Load(context.Background(), Request{Dir: filepath.Join(dir, "app")})
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Config || f.Next == "" ||
			strings.Contains(err.Error(), mark) != c.shown {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestABadProjectNameIsTheVariables(t *testing.T) {
	for where, files := range map[string][]string{
		"the environment": {"compose.yaml", "services: {a: {image: x}}\n"},
		"a .env file":     {"compose.yaml", "services: {a: {image: x}}\n", ".env", "COMPOSE_PROJECT_NAME=Bad Name\n"},
	} {
		dir := write(t, files...)
		if where == "the environment" {
			t.Setenv("COMPOSE_PROJECT_NAME", "Bad Name")
		}
		_, err := Load(context.Background(), Request{Dir: dir})
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Usage ||
			!strings.Contains(err.Error(), `COMPOSE_PROJECT_NAME="Bad Name" of `+where) ||
			!strings.Contains(f.Next, "COMPOSE_PROJECT_NAME=badname ") {
			t.Errorf("%s: got %v", where, err)
		}
	}
}

// A repository that is included from elsewhere is looked at before the library reads what it has.
func TestHostileRemoteRepositories(t *testing.T) {
	for name, c := range map[string]struct{ link, nested, wants string }{
		"an endless file":   {link: "/dev/zero", wants: "device"},
		"another's file":    {link: "SHADOW", wants: ""},
		"an endless nested": {nested: "include: [/dev/zero]\n", wants: "device"},
		"a deep one": {
			nested: "services: {a: {image: x}}\nx-a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "\n",
			wants:  "nested",
		},
	} {
		dir := write(t, "compose.yaml", "include: [\"https://u:"+mark+
			"@git.invalid/x.git\"]\nservices: {near: {image: i}}\n", "shadow", shadow)
		repository := t.TempDir()
		file := filepath.Join(repository, "compose.yaml")
		err := os.WriteFile(file, []byte(c.nested), 0o600)
		if c.link != "" {
			err = errors.Join(os.Remove(file),
				os.Symlink(strings.Replace(c.link, "SHADOW", filepath.Join(dir, "shadow"), 1), file))
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"init", "-q"},
			{"add", "."},
			{"-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "one"},
		} {
			if out, err := exec.Command("git",
				append([]string{"-C", repository}, args...)...).CombinedOutput(); err != nil {
				t.Fatalf("git %v: %v\n%s", args, err, out)
			}
		}
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		t.Setenv("GIT_CONFIG_COUNT", "1")
		t.Setenv("GIT_CONFIG_KEY_0", "url.file://"+filepath.ToSlash(repository)+".insteadOf")
		t.Setenv("GIT_CONFIG_VALUE_0", "https://u:"+mark+"@git.invalid/x.git")
		done := make(chan error, 1)
		go func() {
			_, err := Load(context.Background(), Request{Dir: dir})
			done <- err
		}()
		select {
		case err = <-done:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: it hangs", name)
		}
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Config || !strings.Contains(err.Error(), c.wants) ||
			strings.Contains(err.Error(), mark) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
