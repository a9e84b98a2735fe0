//go:build unix

package jobs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// byCron is what cron runs of a crontab's line: what follows the five fields, a backslash before % taken away, up to
// the first % without one (crontab(5)).
func byCron(line string) string {
	command := strings.SplitN(line, " ", 6)[5]
	var b strings.Builder
	for i := 0; i < len(command); i++ {
		if command[i] == '\\' && i+1 < len(command) && command[i+1] == '%' {
			continue
		}
		if command[i] == '%' && (i == 0 || command[i-1] != '\\') {
			break
		}
		b.WriteByte(command[i])
	}
	return b.String()
}

// TestCronRunsTheScript runs the line of each place with a hostile name as cron would.
func TestCronRunsTheScript(t *testing.T) {
	for _, name := range hostile {
		p := placeIn(t, name)
		if err := os.WriteFile(p.script(), []byte("echo ran\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(p.cronLines("03:05"), "\n"), "\n")
		if len(lines) != 2 || !strings.HasPrefix(lines[0], cronMark) || !strings.HasPrefix(lines[1], "5 3 * * * ") {
			t.Fatalf("%q: %q", name, lines)
		}
		run := exec.Command("/bin/sh", "-c", byCron(lines[1]))
		run.Env = []string{"PATH=/usr/bin:/bin"}
		if out, err := run.CombinedOutput(); err != nil || string(out) != "ran\n" {
			t.Errorf("%q: %v: %s", lines[1], err, out)
		}
	}
}

func TestOtherLinesOfACrontabStay(t *testing.T) {
	p := Place{Job: All[0], Project: "shop", Folder: "/srv/shop", Dir: "/state/a"}
	other := Place{Job: All[0], Project: "shop", Folder: "/srv/other", Dir: "/state/b"}
	for name, text := range map[string]string{
		"empty":      "",
		"somebody's": "# mine\n\nMAILTO=\"\"\n5 5 * * * echo 100\\%\n\t\n",
		"no end":     "1 1 * * * x",
		"two of us":  other.cronLines("03:30"),
	} {
		with := p.withLines(text, "03:30", false)
		if !strings.HasPrefix(with, text) || !strings.HasSuffix(with, p.cronLines("03:30")) {
			t.Errorf("%s: %q", name, with)
		}
		if again := p.withLines(with, "03:30", false); again != with {
			t.Errorf("%s: a second time %q", name, again)
		}
		if after := with + "2 2 * * * y\n"; p.withLines(after, "03:30", false) != after {
			t.Errorf("%s: it moves", name)
		}
		later := p.withLines(with, "04:00", false)
		if strings.Count(later, p.cronCommand()) != 1 || !strings.Contains(later, "0 4 * * * ") {
			t.Errorf("%s: at another time %q", name, later)
		}
		without := p.withLines(later, "", true)
		if want := text; without != want && without != want+"\n" {
			t.Errorf("%s: without it %q", name, without)
		}
	}
	// A person has moved our line, and deleted the remark above it.
	moved := "# mine\n7 7 * * * " + p.cronCommand() + "\n3 3 * * * x\n"
	if got := p.withLines(moved, "", true); got != "# mine\n3 3 * * * x\n" {
		t.Errorf("got %q", got)
	}
}

// keptCrontab is a crontab command that keeps its table in a file, as far as crontab -l and crontab - go.
func keptCrontab(t *testing.T) (table string) {
	t.Helper()
	dir := t.TempDir()
	table = filepath.Join(dir, "table")
	text := "#!/bin/sh\ncase $1 in\n" +
		"-l) cat '" + table + "' 2>/dev/null || { echo no crontab for me >&2; exit 1; } ;;\n" +
		"-) cat >'" + table + "' ;;\nesac\n"
	if err := os.WriteFile(filepath.Join(dir, "crontab"), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return table
}

func TestAddedAndTakenAway(t *testing.T) {
	table := keptCrontab(t)
	t.Setenv("COMPOSE_MAGE_STATE", t.TempDir())
	folder := t.TempDir()
	p, err := PlaceOf(All[0], "shop", folder)
	if err != nil {
		t.Fatal(err)
	}
	add := func(at string, words ...string) (string, error) {
		t.Helper()
		c := Command{Dir: folder, Words: words, Environment: map[string]string{"PATH": "/usr/bin:/bin"}}
		plan, err := PlanAdd(t.Context(), Machine{By: ByCron, CronRun: true}, p, at, c)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		plan.Print(ui.New(&out))
		err = plan.Execute(t.Context(), ui.New(&out))
		return out.String(), err
	}
	// A job that can't do its work is not scheduled, and leaves nothing.
	_, err = add("03:30", "/bin/sh", "-c", "echo no engine here; exit 4")
	if err == nil || !strings.Contains(err.Error(), "no engine here") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(table); err == nil || isDir(p.Dir) {
		t.Error("something was left")
	}
	said, err := add("03:30", "/bin/true")
	if err != nil || !strings.Contains(said, "30 3 * * * /bin/sh ") || !strings.Contains(said, "exec '/bin/true'") {
		t.Fatalf("%v: %s", err, said)
	}
	before, _ := os.ReadFile(table)
	if said, err := add("03:30", "/bin/true"); err != nil || !strings.Contains(said, "so already") {
		t.Errorf("a second time: %v: %s", err, said)
	}
	// One that fails later leaves what was there as it was.
	script, _ := os.ReadFile(p.script())
	if _, err := add("04:00", "/bin/false"); err == nil {
		t.Error("a job that fails is scheduled")
	}
	now, _ := os.ReadFile(p.script())
	if after, _ := os.ReadFile(table); !bytes.Equal(before, after) || !bytes.Equal(script, now) {
		t.Errorf("the job that was scheduled is another now:\n%s", after)
	}
	r, err := List(t.Context(), Machine{By: ByCron, CronRun: true}, "shop", folder, time.Now())
	if err != nil || len(r.Findings) != 0 || !r.Jobs[0].Scheduled || r.Jobs[0].Next.IsZero() {
		t.Errorf("%v: %+v", err, r)
	}
	if err := os.WriteFile(table, nil, 0o600); err != nil { // crontab -r
		t.Fatal(err)
	}
	r, err = List(t.Context(), Machine{By: ByCron, CronRun: true}, "shop", folder, time.Now())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].ID != "schedule.gone" {
		t.Errorf("%v: %+v", err, r.Findings)
	}
	if _, err := add("03:30", "/bin/true"); err != nil {
		t.Fatal(err)
	}
	if places := ScheduledFrom(All[0], folder); len(places) != 1 || places[0].Project != "shop" {
		t.Errorf("from the folder: %+v", places)
	}
	for range 2 {
		plan, err := PlanRemove(t.Context(), Machine{By: ByCron}, p)
		if err != nil {
			t.Fatal(err)
		}
		if err := plan.Execute(t.Context(), ui.New(&bytes.Buffer{})); err != nil {
			t.Fatal(err)
		}
	}
	if after, _ := os.ReadFile(table); len(after) > 0 || isDir(p.Dir) {
		t.Errorf("left: %q, %t", after, isDir(p.Dir))
	}
}

// A job that stands in a crontab which nobody reads is not said to run.
func TestWithoutACronDaemonNothingIsSaidToRun(t *testing.T) {
	asleep := Machine{By: ByCron, CronStart: "start it"}
	for _, m := range []Machine{asleep, {By: ByCron, CronRun: true, CronStart: "start it"}} {
		for _, job := range All {
			keptCrontab(t)
			t.Setenv("COMPOSE_MAGE_STATE", t.TempDir())
			p, err := PlaceOf(job, "shop", t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			at, said := "03:30", "runs next at "
			if p.Job.Always() {
				at, said = "", "is started by cron"
			}
			c := Command{Dir: p.Folder, Words: []string{"/bin/true"}, Environment: map[string]string{"PATH": "/bin"}}
			plan, err := PlanAdd(t.Context(), m, p, at, c)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			plan.Print(ui.New(&out))
			shown := out.String()
			out.Reset()
			if err := plan.Execute(t.Context(), ui.New(&out)); err != nil {
				t.Fatal(err)
			}
			after := out.String()
			if strings.Contains(after, said) != m.CronRun || strings.Contains(after, "does not run") == m.CronRun ||
				strings.Contains(shown, "start it") == m.CronRun || strings.Contains(after, "start it") == m.CronRun {
				t.Errorf("with a daemon: %t: %s\n%s", m.CronRun, shown, &out)
			}
			r, err := List(t.Context(), m, "shop", p.Folder, time.Now())
			if err != nil || (len(r.Findings) == 0) != m.CronRun {
				t.Errorf("with a daemon: %t: %v, %+v", m.CronRun, err, r.Findings)
			}
		}
	}
}

func TestHowACronDaemonIsGot(t *testing.T) {
	for want, programs := range map[string][]string{
		"sudo service cron start": {"cron", "apt-get"}, "sudo crond, and at each boot": {"crond", "apk"},
		"sudo apk add dcron && sudo crond, and at each boot":   {"apk"},
		"sudo apt-get install cron && sudo service cron start": {"apt-get"},
	} {
		if got := cronStart(func(name string) bool { return slices.Contains(programs, name) }); got != want {
			t.Errorf("%v: %q", programs, got)
		}
	}
}
