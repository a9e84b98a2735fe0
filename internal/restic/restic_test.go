package restic

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
)

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]string{
		"restic 0.14.0 compiled with go1.19.8 on linux/amd64\n":           "0.14.0 14 false",
		"restic 0.18.1-dev (v0.18.0-1) compiled with go1.25 on linux/arm": "0.18.1-dev 18 true",
		"restic 1.2.0 compiled with go1.30":                               "1.2.0 1002 true",
		"rustic 0.14.0":                                                   "",
		"restic 0.14":                                                     "",
	} {
		got := ""
		if p, ok := parseVersion(text); ok {
			got = fmt.Sprint(p.Version, " ", p.minor, " ", p.Sparse())
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestFind: what is no restic, or is too old, is refused with the way to one.
func TestFind(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the programs are shell scripts")
	}
	for says, want := range map[string]string{
		"restic 0.14.0 compiled": "", "restic 0.13.1 compiled": "too old: 0.14", "hello": "is not restic",
	} {
		path := filepath.Join(t.TempDir(), "restic")
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho '"+says+"'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv(Variable, path)
		p, err := Find(t.Context())
		var f *fault.Error
		switch {
		case want == "" && (err != nil || p.Path != path):
			t.Errorf("%s: %v", says, err)
		case want != "" && (!errors.As(err, &f) || f.Code != fault.Config || !strings.Contains(err.Error(), want) ||
			!strings.Contains(f.Next, "setup -backup")):
			t.Errorf("%s: got %v", says, err)
		}
	}
	t.Setenv(Variable, filepath.Join(t.TempDir(), "none"))
	if _, err := Find(t.Context()); err == nil {
		t.Error("a program that is not there was found")
	}
}

func TestIsLocal(t *testing.T) {
	for location, want := range map[string]bool{
		"/mnt/backup": true, "backup": true, "local:/x": true, "a:b": true, "sftp:u@h:/x": false,
		"s3:https://h/b":      false,
		"rest:https://u:p@h/": false, "rclone:x:y": false,
	} {
		if got := IsLocal(location); got != want {
			t.Errorf("%s: got %v", location, got)
		}
	}
}

// TestEnvironment: of a project's variables restic gets those of its targets alone, and none of ours can be overruled.
func TestEnvironment(t *testing.T) {
	got := Environment(map[string]string{
		"AWS_ACCESS_KEY_ID": "a", "PATH": "p", "B2_ACCOUNT_ID": "b", "RESTIC_PASSWORD": "x",
	})
	slices.Sort(got)
	if !slices.Equal(got, []string{"AWS_ACCESS_KEY_ID=a", "B2_ACCOUNT_ID=b"}) {
		t.Errorf("got %q", got)
	}
	t.Setenv("RESTIC_PASSWORD", "other")
	t.Setenv("RESTIC_REPOSITORY_FILE", "other")
	env := Repository{Location: "/r", PasswordFile: "/p"}.environment()
	for _, kv := range env {
		if strings.HasPrefix(kv, "RESTIC_PASSWORD=") || strings.HasPrefix(kv, "RESTIC_REPOSITORY_FILE=") {
			t.Errorf("restic gets %q", kv)
		}
	}
	if !slices.Contains(env, "RESTIC_REPOSITORY=/r") || !slices.Contains(env, "RESTIC_PASSWORD_FILE=/p") {
		t.Error("restic gets no repository")
	}
}

func TestLines(t *testing.T) {
	var got []string
	l := &lines{each: func(line []byte) { got = append(got, string(line)) }}
	long := strings.Repeat("x", mostLine+1)
	for _, piece := range []string{"a", "b\nc\n\nd", long, "e\nf", "\n", "g"} {
		if n, err := l.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	if !slices.Equal(got, []string{"ab", "c", "", "f"}) {
		t.Errorf("got %q", got)
	}
}

func TestTextIsBounded(t *testing.T) {
	x := &text{most: 3}
	if _, err := x.Write([]byte("abc")); err != nil {
		t.Error(err)
	}
	if _, err := x.Write([]byte("d")); err == nil {
		t.Error("no limit")
	}
}

// TestExplain: an error has the cause, its exit code, and no password of an address.
func TestExplain(t *testing.T) {
	r := Repository{Location: "rest:https://u:secret@h/"}
	err := r.explain("saving", 1, "warning\nFatal: unable to save snapshot: rest:https://u:secret@h/: no space left "+
		"on device\nstack\n")
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Resources || CauseOf(err) != fault.ResticFull ||
		!strings.HasPrefix(err.Error(), "saving: restic: unable to save snapshot") ||
		strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	err = r.explain("opening", 1, "open r/locks/1: read-only file system\ngithub.com/restic/restic/internal/x.y\n"+
		"\tgithub.com/restic/restic/internal/x.go:12\nruntime.main\n\truntime/proc.go:250\nunable to create lock\n")
	if CauseOf(err) != fault.ResticForbidden ||
		!strings.HasPrefix(err.Error(), "opening: restic: open r/locks/1: read-only file system\n") ||
		strings.Contains(err.Error(), "runtime") {
		t.Errorf("got %v", err)
	}
	if !Incomplete(r.explain("saving", 3, "x")) || Incomplete(err) || Incomplete(nil) {
		t.Error("incomplete")
	}
}

func TestEscaped(t *testing.T) {
	if got := escaped(`/volumes/a/[x]*?\y`); got != `/volumes/a/\[x]\*\?\\y` {
		t.Errorf("got %s", got)
	}
}

// TestRetained reads what restic 0.14 prints of what it keeps, which it prints the newest first.
func TestRetained(t *testing.T) {
	got, err := retained([]byte(`[{"tags":null,"host":"","paths":null,"keep":[
{"time":"2026-11-27T17:19:39.156954784Z","hostname":"vm","tags":["a"],"id":"f005","short_id":"f0"},
{"time":"2026-11-27T17:19:37.104471695Z","hostname":"vm","tags":["a"],"id":"8969","short_id":"89"}],
"remove":[{"time":"2026-11-27T17:19:35Z","hostname":"vm","tags":["a"],"id":"968a"}],
"reasons":[{"snapshot":{"time":"2026-11-27T17:19:39Z"},"matches":["last snapshot"],"counters":{"last":1}}]}]`))
	if err != nil || len(got) != 2 || got[0].ID != "8969" || got[1].ID != "f005" || !got[1].Has("a") {
		t.Errorf("got %v, %v", got, err)
	}
	for _, none := range []string{"", "\n", "[]", "null"} { // without a policy restic prints nothing
		if got, err := retained([]byte(none)); err != nil || len(got) != 0 {
			t.Errorf("%q: %v, %v", none, got, err)
		}
	}
	if _, err := retained([]byte("Fatal: x")); err == nil {
		t.Error("what is no JSON is taken for an answer")
	}
}
