//go:build unix

package compose

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// TestFilesWithoutEnd guards against what a project may name as a file: Compose's library reads each whole, and waits for a pipe.
func TestFilesWithoutEnd(t *testing.T) {
	within := readWithin
	readWithin = time.Second
	t.Cleanup(func() { readWithin = within })
	const app = "services: {a: {image: i, %}}\n"
	for name, c := range map[string]struct {
		compose string // %: what is wrong with service a
		bad     string // the file without end
		want    string
		env     string // COMPOSE_ENV_FILES
	}{
		"env_file, a pipe":              {strings.Replace(app, "%", "env_file: bad", 1), "pipe", "has not ended within 1s", ""},
		"env_file, a device":            {strings.Replace(app, "%", "env_file: bad", 1), "/dev/zero", "it is a device, not a file", ""},
		"env_file, huge":                {strings.Replace(app, "%", "env_file: bad", 1), "huge", "it is too large", ""},
		"label_file, a pipe":            {strings.Replace(app, "%", "label_file: bad", 1), "pipe", "has not ended within 1s", ""},
		"seccomp, a pipe":               {strings.Replace(app, "%", "security_opt: ['seccomp:bad']", 1), "pipe", "is a pipe, not a file", ""},
		"seccomp, a device":             {strings.Replace(app, "%", "security_opt: ['seccomp=bad']", 1), "/dev/zero", "it is a device, not a file", ""},
		"include, a pipe":               {"include: [bad]\n", "pipe", "has not ended within 1s", ""},
		"include, a device":             {"include: [bad]\n", "/dev/zero", "it is a device, not a file", ""},
		"include, huge":                 {"include: [bad]\n", "huge", "it is too large", ""},
		"extends, a device":             {strings.Replace(app, "%", "extends: {file: bad, service: a}", 1), "/dev/zero", "it is a device, not a file", ""},
		"extends, a pipe":               {strings.Replace(app, "%", "extends: {file: bad, service: a}", 1), "pipe", "has not ended within 1s", ""},
		"env_file of include, a pipe":   {"include: [{path: other.yaml, env_file: bad}]\n", "pipe", "has not ended within 1s", ""},
		"the Compose file, a device":    {"", "/dev/zero", "it is a device, not a file", ""},
		"the Compose file, a pipe":      {"", "pipe", "has not ended within 1s", ""},
		"the Compose file, huge":        {"", "huge", "it is too large", ""},
		"COMPOSE_ENV_FILES is a pipe":   {strings.Replace(app, ", %", "", 1), "pipe", "has not ended within 1s", "bad"},
		"COMPOSE_ENV_FILES is a device": {strings.Replace(app, ", %", "", 1), "/dev/zero", "it is a device, not a file", "bad"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bad := filepath.Join(dir, "bad")
			var err error
			switch c.bad {
			case "pipe":
				err = syscall.Mkfifo(bad, 0o600)
			case "huge":
				err = errors.Join(os.WriteFile(bad, nil, 0o600), os.Truncate(bad, 65<<20))
			default:
				err = os.Symlink(c.bad, bad)
			}
			file := bad
			if c.compose != "" {
				file = filepath.Join(dir, "compose.yaml")
				err = errors.Join(err, os.WriteFile(file, []byte(c.compose), 0o600), os.WriteFile(filepath.Join(dir, "other.yaml"), []byte("services: {b: {image: i}}\n"), 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.env != "" {
				t.Setenv("COMPOSE_ENV_FILES", bad)
			}
			_, err = Load(t.Context(), Request{Dir: dir, Files: []string{file}})
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != fault.Config || f.Next == "" || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestFilesThatNobodyLooksAt are those that the library alone knows of: what it reads shows in the memory that it takes.
func TestFilesThatNobodyLooksAt(t *testing.T) {
	bytes := readBytes
	readBytes = 32 << 20
	t.Cleanup(func() { readBytes = bytes })
	for name, text := range map[string]string{
		"label_file": "services: {a: {image: i, label_file: bad}}\n", "env_file of include": "include: [{path: other.yaml, env_file: bad}]\n",
	} {
		dir := t.TempDir()
		bad, file := filepath.Join(dir, "bad"), filepath.Join(dir, "compose.yaml")
		err := errors.Join(os.WriteFile(bad, nil, 0o600), os.Truncate(bad, 128<<20), os.WriteFile(file, []byte(text), 0o600),
			os.WriteFile(filepath.Join(dir, "other.yaml"), []byte("services: {b: {image: i}}\n"), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Load(t.Context(), Request{Dir: dir, Files: []string{file}})
		var f *fault.Error
		if !errors.Is(err, bounded.ErrTooLarge) || !errors.As(err, &f) || f.Code != fault.Config || f.Next == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestPipesThatAreWritten are read as docker compose reads them.
func TestPipesThatAreWritten(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "variables")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte("services: {a: {image: i, env_file: variables}}\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	go func() { _ = os.WriteFile(pipe, []byte("A=b\n"), 0o600) }()
	m, err := Load(t.Context(), Request{Dir: dir, Files: []string{filepath.Join(dir, "compose.yaml")}})
	if err != nil {
		t.Fatal(err)
	}
	if v := m.Project.Services["a"].Environment["A"]; v == nil || *v != "b" {
		t.Errorf("got %v", m.Project.Services["a"].Environment)
	}
}
