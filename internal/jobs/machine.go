package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// Machine is who runs jobs on this machine, for this user.
type Machine struct {
	By      string // systemd, systemd --user or cron; "" where there is neither
	UnitDir string // where systemd's units are
	CronRun bool   // a cron daemon is at work
	// CronStart is how one is got to work, where none is: a command to type.
	CronStart string
	Lingers   bool // a user's manager runs while the user is not logged in
}

// Look finds out who can run jobs.
func Look(ctx context.Context) (Machine, error) {
	if runtime.GOOS != "linux" {
		return Machine{}, nil
	}
	m := Machine{}
	if _, err := exec.LookPath("systemctl"); err == nil && isDir("/run/systemd/system") {
		if os.Geteuid() == 0 {
			m.By, m.UnitDir = BySystem, "/etc/systemd/system"
			return m, nil
		}
		config, err := os.UserConfigDir()
		if err != nil {
			return m, fmt.Errorf("finding the units of this user: %w", err)
		}
		// Without a session of its own, as under sudo -u, there is no manager to talk to.
		if _, err := command(ctx, "", "systemctl", "--user", "show", "--property=Version"); err == nil {
			m.By, m.UnitDir = ByUser, filepath.Join(config, "systemd", "user")
			user := fmt.Sprint(os.Geteuid())
			out, err := command(ctx, "", "loginctl", "show-user", user, "--property=Linger", "--value")
			m.Lingers = err != nil || strings.TrimSpace(out) == "yes"
			return m, nil
		}
	}
	if _, err := exec.LookPath("crontab"); err == nil {
		m.By, m.CronRun, m.CronStart = ByCron, cronRuns(), cronStart(isProgram)
	}
	return m, nil
}

// cronStart is how a cron daemon is started on a machine without systemd, or first installed where there is none.
func cronStart(has func(program string) bool) string {
	switch {
	case has("cron"):
		return "sudo service cron start"
	case has("crond"):
		return "sudo crond, and at each boot"
	case has("apk"):
		return "sudo apk add dcron && sudo crond, and at each boot"
	}
	return "sudo apt-get install cron && sudo service cron start"
}

// isProgram says whether the machine has a program, also one that only root has in its path.
func isProgram(name string) bool {
	if _, err := exec.LookPath(name); err == nil {
		return true
	}
	info, err := os.Stat(filepath.Join("/usr/sbin", name))
	return err == nil && info.Mode().IsRegular()
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// cronRuns looks for a cron daemon among the processes.
func cronRuns() bool {
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, name := range names {
		text, err := bounded.ReadFile(name)
		if err == nil && slices.Contains([]string{"cron", "crond", "fcron", "dcron"}, strings.TrimSpace(string(text))) {
			return true
		}
	}
	return false
}

// mostOutput is the most that is read of another program's output: far above any crontab.
const mostOutput = 4 << 20

// command runs a program of the system and gives its standard output; the error has its last words.
func command(ctx context.Context, stdin string, argv ...string) (string, error) {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Stdin = strings.NewReader(stdin)
	c.Env = append(os.Environ(), "LC_ALL=C")
	var out bytes.Buffer
	said := &bounded.Tail{Bytes: bounded.MaxLine}
	c.Stdout, c.Stderr = &out, said
	err := c.Run()
	if out.Len() > mostOutput {
		return "", fault.New(fault.Failed, "", "%s printed more than can be one", argv[0])
	}
	if err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", fault.Quote(argv...), err, bounded.LastLine(said.String()))
	}
	return out.String(), nil
}

// crontab reads the user's crontab; empty where there is none, of which crontab makes an error with exit code 1.
func crontab(ctx context.Context) (string, error) {
	text, err := command(ctx, "", "crontab", "-l")
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && text == "" && fault.NoCrontab(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("reading the crontab: %w", err)
	}
	return text, nil
}

// Unsupported is the error of a machine on which nobody runs jobs, with what to type instead.
func Unsupported(p Place, at, dir string) error {
	setting := p.Job.Command
	unit, byHand := p.unit(), "crontab -e, with the line: "+p.Job.plainLine(at, dir)
	switch runtime.GOOS {
	case "windows":
		return fault.New(fault.Usage, fmt.Sprintf(
			`schtasks /Create /SC DAILY /ST %s /TN "%s" /TR "cmd /c cd /d %s && %s"`,
			fault.Quote(at), unit, fault.Quote(dir), setting),
			"jobs are not scheduled on Windows: its Task Scheduler does it by hand")
	case "darwin":
		return fault.New(fault.Usage, byHand,
			"jobs are not scheduled on macOS: launchd, or its crontab, does it by hand")
	case "linux":
		return fault.New(fault.Config, "sudo apt-get install cron, and start it; then the same command again",
			"there is neither systemd nor crontab on this machine: nothing was scheduled").
			WithDetail("any other scheduler can run this, in " + dir + ": " + setting)
	}
	return fault.New(fault.Usage, byHand,
		"jobs are not scheduled on %s: its cron does it by hand", runtime.GOOS)
}

func (j Job) plainLine(at, dir string) string {
	when := "@reboot"
	if len(at) == len(clock) {
		when = fmt.Sprintf("%s %s * * *", at[3:], at[:2])
	}
	return when + " cd " + fault.Quote(dir) + " && " + j.Command
}
