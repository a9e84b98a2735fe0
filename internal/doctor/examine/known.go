package examine

import (
	"context"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/running"
	"github.com/25eloquence/compose-mage/internal/doctor/source"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/monitor"
)

// QuickRules are those of check, which asks what a build or a start would fail of: docs/check.md.
var QuickRules = rulesOf("docs/check.md", check.Engine, []known{
	{"engine.version", "the engine's version", finding.OK},
	{"machine.memory", "too little memory", finding.Warning},
	{"machine.cpus", "too few CPUs", finding.Info},
	{"limits.sum", "limits above the machine", finding.Info},
	{"limits.refused", "limits that the engine refuses", finding.Failure},
	{"limits.swap", "a limit of swap that is not kept", finding.Info},
	{"limits.unenforced", "limits that the kernel does not keep", finding.Warning},
	{"builder.reach", "no builder", finding.Failure},
	{"registry.reach", "no registry", finding.Failure},
	{"disk.engine", "the engine's disk nearly full", finding.Failure},
	{"disk.state", "the disk of the state nearly full", finding.Failure},
	{"project.notice", "what loading the files said", finding.Info},
	{"project.key", "a key that has no effect", finding.Warning},
	{"project.parts", "the parts of the project", finding.OK},
	{"build.source", "no build context or Dockerfile", finding.Failure},
	{"build.context", "no additional build context", finding.Failure},
	{"build.secret", "no build secret", finding.Failure},
	{"build.ssh", "no key or agent", finding.Failure},
	{"image.unbuilt", "an image that is not built yet", finding.Info},
	{"image.missing", "an image that is nowhere", finding.Failure},
	{"image.unknown", "an image of which nobody can say", finding.Warning},
	{"depends_on.healthy", "others wait for health, and there is no check", finding.Info},
	{"network.external", "no external network", finding.Failure},
	{"network.overlap", "a subnet that is taken", finding.Failure},
	{"network.driver", "no such network driver", finding.Failure},
	{"volume.external", "no external volume", finding.Failure},
	{"volume.driver", "no such volume driver", finding.Failure},
	{"secret.file", "no file of a secret", finding.Failure},
	{"secret.environment", "no variable of a secret", finding.Failure},
	{"secret.external", "an external secret", finding.Failure},
	{"secret.driver", "a secret's driver", finding.Failure},
	{"secret.read_only", "a secret for a read-only container", finding.Failure},
	{"config.file", "no file of a config", finding.Failure},
	{"config.environment", "no variable of a config", finding.Failure},
	{"config.external", "an external config", finding.Failure},
	{"config.driver", "a config's driver", finding.Failure},
	{"config.read_only", "a config for a read-only container", finding.Failure},
	{"secret.mode", "a secret that others may read", finding.Warning},
	{"bind.source", "nothing where a bind mount is of", finding.Failure},
	{"mount.target", "a mount at no absolute path", finding.Failure},
	{"device.missing", "no such device", finding.Failure},
	{"gpu.missing", "no GPU", finding.Failure},
	{"runtime.missing", "no such runtime", finding.Failure},
	{"platform.unsupported", "a platform that can't run here", finding.Failure},
	{"container.name", "a container's name that is taken", finding.Failure},
	{"port.taken", "a port that is taken", finding.Failure},
	{"logs.rotation", "logs that nothing bounds", finding.Warning},
	{"logs.size", "large logs", finding.Warning},
	{"schedule.failed", "a job that failed", finding.Warning},
	{"schedule.missed", "a job that did not run", finding.Warning},
	{"heal.spent", "a service that restarting does not mend", finding.Warning},
	{"backup.failed", "a backup that failed", finding.Warning},
	{"backup.drill", "a drill that failed, or none for long", finding.Warning},
	{"backup.stopped", "containers that a killed backup left stopped", finding.Warning},
})

// known is a rule of an older part of the house.
type known struct {
	id, title string
	worst     finding.Severity
}

func rulesOf(basis string, where check.Where, all []known) []check.Rule {
	out := make([]check.Rule, 0, len(all))
	for _, k := range all {
		r := check.Rule{ID: k.id, Title: k.title, Where: where, Worst: k.worst, Basis: basis}
		switch k.id {
		case "logs.rotation":
			r.Fix = check.Safe
		case "memory.killed":
			r.Fix = check.Asked // where the limit is the service's own
		}
		out = append(out, r)
	}
	return out
}

// Quick makes findings of those of check: with the lines of the Compose files that they are about, and with edits.
func Quick(files source.Files, all []finding.Finding) []check.Finding {
	var out []check.Finding
	for _, f := range all {
		c := check.Finding{Finding: f}
		if slices.Contains(settled, f.ID) && f.Severity == finding.Warning {
			c.Severity = finding.Info
		}
		for _, service := range f.Subjects {
			c = c.At(files.Place(append([]string{"services", service}, keysOf[f.ID]...)...))
		}
		if f.ID == "logs.rotation" && f.Severity == finding.Warning {
			c = c.Edited(check.Safe, bounded(files, f.Subjects)...)
		}
		out = append(out, c)
	}
	return out
}

// settled are rules of check that warn of what fitting to the machine has put right already, or what only costs time.
var settled = []string{"limits.sum", "machine.cpus", "project.notice"}

// keysOf are the keys of a service that findings of check are about.
var keysOf = map[string][]string{
	"port.taken": {"ports"}, "build.source": {"build"}, "image.missing": {"image"}, "image.unknown": {"image"},
	"container.name": {"container_name"}, "bind.source": {"volumes"}, "logs.rotation": {"logging"},
	"logs.size": {"logging"}, "secret.mode": {"secrets"}, "platform.unsupported": {"platform"},
}

// bounded gives the edits that bound services' logs. Where the file names a driver, its options are for a person.
func bounded(files source.Files, services []string) []check.Edit {
	var edits []check.Edit
	for _, service := range services {
		path := []string{"services", service, "logging"}
		if value, _ := files.Value(path...); value == nil {
			edits = append(edits, check.Edit{
				Path: path, Value: `{driver: json-file, options: {max-size: 10m, max-file: "3"}}`,
			})
		}
	}
	return edits
}

// projectCheck says whether the files load and the engine answers, without which most others can't look.
var projectCheck = Check{
	Rules: rulesOf("it is needed", check.Engine, []known{
		{"project.load", "Compose files that do not load", finding.Failure},
		{"engine.reach", "no engine", finding.Failure},
	}),
	Look: func(_ context.Context, s *subject.Subject) ([]check.Finding, error) {
		var out []check.Finding
		if s.EngineErr != nil {
			out = append(out, check.Fail(fault.Engine, "engine.reach", "go tool mage setup", "%s",
				check.FirstLine(s.EngineErr)))
		}
		if s.ModelErr != nil {
			out = append(out, check.Fail(fault.Config, "project.load", fault.Correct, "%s",
				check.FirstLine(s.ModelErr)))
		}
		return out, nil
	},
}

// monitorCheck has what monitor says of the running services. Of disks, jobs and backups check says it.
var monitorCheck = Check{
	Rules: rulesOf("docs/monitor.md", check.Engine, []known{
		{"memory.killed", "killed for want of memory", finding.Warning},
		{"memory.high", "memory near the limit", finding.Warning},
		{"cpu.limited", "held back by the CPU limit", finding.Warning},
		{"cpu.saturated", "all CPUs in use", finding.Warning},
		{"service.unseen", "a container that could not be looked at", finding.Warning},
		{"service.restarted", "restarted by its policy", finding.Warning},
		{"service.orphan", "a container of no service", finding.Warning},
		{"service.unhealthy", "its health check fails", finding.Warning},
		{"service.failed", "ended with an error", finding.Warning},
		{"service.looping", "restarted again and again", finding.Warning},
		{"service.stopped", "stopped by hand", finding.Warning},
		{"service.paused", "paused", finding.Warning},
		{"service.created", "made and never started", finding.Warning},
		{"service.removing", "being removed", finding.Warning},
		{"service.dead", "could not be removed", finding.Warning},
		{"service.missing", "fewer containers than wanted", finding.Warning},
		{"service.surplus", "more containers than wanted", finding.Warning},
		{"answer.failed", "does not answer as it should", finding.Warning},
		{"project.other-checkout", "containers of another checkout", finding.Warning},
	}),
	Look: func(ctx context.Context, s *subject.Subject) ([]check.Finding, error) {
		if err := s.Running(ctx); err != nil {
			return nil, err
		}
		snapshot, err := s.Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		var out []check.Finding
		for _, f := range snapshot.Findings {
			if strings.HasPrefix(f.ID, "disk.") || strings.HasPrefix(f.ID, "schedule.") ||
				strings.HasPrefix(f.ID, "backup.") {
				continue
			}
			out = append(out, monitored(ctx, s, snapshot.Services, f))
		}
		return out, nil
	},
}

// monitored makes a finding of one of monitor's: with the containers, and why they ended.
func monitored(ctx context.Context, s *subject.Subject, rows []monitor.Replica, f finding.Finding) check.Finding {
	c := check.Finding{Finding: f}
	for _, service := range f.Subjects {
		c.Evidence = strings.TrimPrefix(c.Evidence, service+" ")
		c = c.At(s.Files.Place("services", service))
		for _, r := range rows {
			if r.Service != service || r.Container == "" || slices.Contains(c.Containers, r.Container) {
				continue
			}
			c.Containers = append(c.Containers, r.Container)
			if c.Cause == "" {
				c = running.Explained(c, r, s.Files)
				c.Lines = running.LastWords(ctx, s, r, c)
			}
		}
	}
	return c
}
