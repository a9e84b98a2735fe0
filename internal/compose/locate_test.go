package compose

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
)

func TestErrorsNameTheFileThatTheyAreAbout(t *testing.T) {
	const extends = "services:\n  a:\n    extends:\n      file: n.yaml\n      service: b\n"
	for name, c := range map[string]struct {
		files       []string
		where, text string
	}{
		"a missing include": {
			[]string{"compose.yaml", "services: {}\ninclude:\n  - n.yaml\n"}, "compose.yaml:3", "no such file",
		},
		"an included file": {
			[]string{
				"compose.yaml", "include: [sub/n.yaml]\n", "sub/n.yaml",
				"services:\n  c:\n    image: i\n    prts: [1]\n",
			}, "sub/n.yaml:4", `unknown key "prts"`,
		},
		"its syntax": {
			[]string{
				"compose.yaml", "include: [sub/n.yaml]\n", "sub/n.yaml",
				"services:\n  c:\n    image: i\n   ports: [1]\n",
			}, "sub/n.yaml:4", "not valid YAML",
		},
		"a missing extended": {[]string{"compose.yaml", extends}, "compose.yaml:4", "no such file"},
		"an override": {
			[]string{"compose.yaml", one("a"), "compose.override.yaml", "services:\n  a:\n    imge: i\n"},
			"compose.override.yaml:3", `unknown key "imge"`,
		},
		"a missing env_file": {
			[]string{"compose.yaml", "services:\n  a:\n    image: i\n    env_file:\n      - n.env\n"},
			"compose.yaml:5",
			"not found",
		},
		"an env_file": {
			[]string{"compose.yaml", "services: {a: {image: i, env_file: n.env}}\n", "n.env", "A='x\n"},
			"n.env:2",
			"unterminated",
		},
		"its format": {
			[]string{
				"compose.yaml", "services:\n  a:\n    image: i\n    env_file:\n      - {path: n.env, format: f}\n",
				"n.env", "",
			}, "compose.yaml:5", `format "f"`,
		},
		"a missing label_file": {
			[]string{"compose.yaml", "services:\n  a:\n    image: i\n    label_file: n.labels\n"},
			"compose.yaml:4",
			"not found",
		},
		"the .env": {[]string{"compose.yaml", one("a"), ".env", "A=1\nB='x\n"}, ".env:3", "unterminated"},
		"a key beside all": {
			[]string{"compose.yaml", "services: {a: {image: i}}\nserv: 1\n"}, "compose.yaml:2", `unknown key "serv"`,
		},
		"a service, bare": {
			[]string{
				"compose.yaml", "services:\n  a:\n    image: i\n    network_mode: host\n    networks: [default]\n",
			}, "compose.yaml:5", "mutually exclusive",
		},
		"a remote include": {
			[]string{"compose.yaml", "services: {}\ninclude:\n  - oci://127.0.0.1:1/x\n"},
			"compose.yaml:3",
			"connection refused",
		},
		"a Git include": {
			[]string{"compose.yaml", "services: {}\ninclude:\n  - https://127.0.0.1:1/x.git#main\n"},
			"compose.yaml:3",
			"failed to access repository",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, c.files...)
			_, err := Load(context.Background(), Request{Dir: dir})
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != fault.Config {
				t.Fatalf("got %v, want a Config error", err)
			}
			if want := filepath.Join(dir, filepath.FromSlash(c.where)) + ": "; !strings.HasPrefix(err.Error(), want) ||
				!strings.Contains(err.Error(), c.text) {
				t.Errorf("got %q, want %q first and %q in it", err, want, c.text)
			}
		})
	}
}
