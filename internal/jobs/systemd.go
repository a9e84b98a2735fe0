package jobs

import (
	"fmt"
	"strings"

	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// Who runs a job.
const (
	BySystem = "systemd"
	ByUser   = "systemd --user"
	ByCron   = "cron"
)

// units are the texts of the job's systemd units, by file name. at is the time of day of a daily job.
func (p Place) units(by, at string) map[string]string {
	service, timer := p.unit()+".service", p.unit()+".timer"
	if p.Job.Always() {
		return map[string]string{service: p.service(by)}
	}
	return map[string]string{service: p.service(by), timer: p.timer(at)}
}

func (p Place) service(by string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p.head(line)
	if by == BySystem {
		line("After=docker.service network-online.target")
		line("Wants=network-online.target")
	}
	line("\n[Service]")
	line("ExecStart=/bin/sh %s", unitQuoted(p.script()))
	if p.Job.Always() {
		line("Type=exec\nRestart=always\nRestartSec=10")
	} else {
		line("Type=oneshot\nTimeoutStartSec=2h\nNice=10\nIOSchedulingClass=idle")
	}
	// Go and Mage pass an interrupt on, and a run that is interrupted ends what it has begun.
	line("KillSignal=SIGINT\nTimeoutStopSec=30\nSuccessExitStatus=130")
	line("NoNewPrivileges=yes\nLockPersonality=yes\nRestrictRealtime=yes\nRestrictSUIDSGID=yes")
	if by == BySystem { // the manager of a user may not do this
		line("ProtectSystem=full\nProtectHostname=yes\nProtectClock=yes")
		line("ProtectKernelModules=yes\nProtectKernelLogs=yes")
	}
	if p.Job.Always() {
		target := "multi-user.target"
		if by == ByUser {
			target = "default.target"
		}
		line("\n[Install]\nWantedBy=%s", target)
	}
	return b.String()
}

func (p Place) timer(at string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p.head(line)
	// Persistent: a run that was due while the machine was off takes place when it is on again.
	line("\n[Timer]\nOnCalendar=*-*-* %s:00\nPersistent=true", at)
	line("\n[Install]\nWantedBy=timers.target")
	return b.String()
}

func (p Place) head(line func(string, ...any)) {
	line("# The %s in %s.", p.title(), printable.Line(p.Folder))
	line("# Made by: go tool mage schedule %s", p.Job.Name)
	line("# Removed by: go tool mage schedule -remove %s", p.Job.Name)
	line("\n[Unit]")
	line("Description=compose-mage: %s", p.title())
}

// unitQuoted is text as one word of a unit's command line (systemd.service(5)): systemd puts values in place of % and
// $, and reads C escapes.
func unitQuoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(text) + `"`
}
