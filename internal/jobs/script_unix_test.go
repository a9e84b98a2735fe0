//go:build unix

package jobs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// hostile are parts of paths and values that a shell, cron or systemd reads otherwise than as text.
var hostile = []string{
	"a b", "100%", "%h", "$HOME", "`id`", "$(id)", "it's", `"quoted"`, "semi;colon", "a&b", "-rf", "#no", "~", "ü", "*",
}

// placeIn is a place of a daily job whose directory has the name.
func placeIn(t *testing.T, name string) Place {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return Place{Job: All[0], Project: "shop", Folder: "/srv/" + name + "\nexport X=1", Dir: dir}
}

// TestScriptIsTakenByAShellAsItIsMeant runs scripts with hostile folders and values under an empty environment, as
// cron does.
func TestScriptIsTakenByAShellAsItIsMeant(t *testing.T) {
	for _, name := range hostile {
		p := placeIn(t, name)
		work := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(work, 0o700); err != nil {
			t.Fatal(err)
		}
		program := `printf '%s\n' "$PWD" "$VALUE" "$LINES2" "$COMPOSE_MAGE_JOB" "${X-unset}" "$1"`
		text := p.Script(Command{
			Dir: work, Words: []string{"/bin/sh", "-c", program, "sh", name},
			Environment: map[string]string{"VALUE": name, "LINES2": "one\ntwo"},
		})
		if err := os.WriteFile(p.script(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		run := exec.Command("/bin/sh", p.script())
		run.Env = []string{"PATH=/usr/bin:/bin"}
		if out, err := run.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%q: %v: %s", name, err, out)
		}
		got, _ := os.ReadFile(p.outputFile())
		want := strings.Join([]string{work, name, "one\ntwo", p.Dir, "unset", name, ""}, "\n")
		if string(got) != want {
			t.Errorf("%q: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestScriptOfAFolderThatIsGone(t *testing.T) {
	p := placeIn(t, "x")
	text := p.Script(Command{Dir: "/no/such/folder", Words: []string{"/bin/echo", "ran"}})
	if err := os.WriteFile(p.script(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	err := exec.Command("/bin/sh", p.script()).Run()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 3 { //nolint:errorlint // of exec itself
		t.Errorf("got %v", err)
	}
	if said, _ := os.ReadFile(p.outputFile()); !strings.Contains(string(said), "/no/such/folder") {
		t.Errorf("it says %q", said)
	}
}

func TestCarry(t *testing.T) {
	got := Carry([]string{
		"HOME=/root", "PATH=/bin", "DOCKER_HOST=ssh://x", "COMPOSE_FILE=a.yaml", "VERSION=3", "AWS_SECRET=no",
		"COMPOSE_MAGE_JOB=/x", "COMPOSE_MAGE_JOB_TRY=1", "COMPOSE_MAGE_SET=x", "COMPOSE_BAD-NAME=x", "GOFLAGS=",
	}, []string{"VERSION", "AWS"})
	for _, name := range []string{"HOME", "PATH", "DOCKER_HOST", "COMPOSE_FILE", "VERSION", "GOFLAGS"} {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is not carried", name)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("carried too: %v", got)
	}
}

// TestUnitsAreGood asks systemd's own checker about the units of places with hostile names.
func TestUnitsAreGood(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	for _, by := range []string{BySystem, ByUser} {
		for _, job := range All {
			for _, name := range hostile {
				p := placeIn(t, name)
				p.Job = job
				if err := os.WriteFile(p.script(), []byte("#!/bin/sh\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				dir, paths := t.TempDir(), []string{}
				for file, text := range p.units(by, "03:30") {
					path := filepath.Join(dir, file)
					paths = append(paths, path)
					if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				verify := exec.Command(analyze, append([]string{"verify", "--man=no"}, paths...)...)
				verify.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
				out, err := verify.CombinedOutput()
				if err != nil || strings.Contains(string(out), p.unit()) {
					t.Errorf("%s, %q: %v\n%s", by, name, err, out)
				}
			}
		}
	}
	p := Place{Job: All[0], Project: "shop", Folder: "/srv/shop"}
	out, err := exec.Command(analyze, "calendar", "*-*-* 03:30:00").CombinedOutput()
	if err != nil || !strings.Contains(p.timer("03:30"), "OnCalendar=*-*-* 03:30:00\n") {
		t.Errorf("%v: %s", err, out)
	}
	root := t.TempDir()
	units := filepath.Join(root, "etc/systemd/system")
	if err := os.MkdirAll(units, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range p.units(BySystem, "03:30") {
		if err := os.WriteFile(filepath.Join(units, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("systemctl", "--root="+root, "enable", p.started()).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := os.Lstat(filepath.Join(units, "timers.target.wants", p.unit()+".timer")); err != nil {
		t.Error(err)
	}
}

// TestSecretsAreNotShown: the script has them, and what is printed of it does not.
func TestSecretsAreNotShown(t *testing.T) {
	for line, want := range map[string]string{
		"export AWS_SECRET_ACCESS_KEY='abc'":         "export AWS_SECRET_ACCESS_KEY=…",
		"export RESTIC_REST_PASSWORD='a=b'":          "export RESTIC_REST_PASSWORD=…",
		"export BACKUP_PASSWORD_FILE='/srv/p'":       "export BACKUP_PASSWORD_FILE='/srv/p'",
		"export BACKUP_REPOSITORY='/mnt/KEY=SECRET'": "export BACKUP_REPOSITORY='/mnt/KEY=SECRET'",
		"cd '/srv/KEY'": "cd '/srv/KEY'",
	} {
		if got := shown(line); got != want {
			t.Errorf("%s: got %s", line, got)
		}
	}
}
