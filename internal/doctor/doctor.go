// Package doctor owns the question whether a machine and a project are fit to build and run: a list of checks, each
// with what was seen and the remedy. It changes nothing.
package doctor

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/preflight"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// API is what is asked of the engine; *engine.Engine has it.
type API interface {
	preflight.API
	DialHijack(ctx context.Context, url, proto string, meta map[string][]string) (net.Conn, error)
	ContainerInspect(context.Context, string, client.ContainerInspectOptions) (client.ContainerInspectResult, error)
	DiskUsage(context.Context, client.DiskUsageOptions) (client.DiskUsageResult, error)
}

// Input is what the checks look at. Parts that are empty are not checked; where a part must not be empty, that is a
// finding.
type Input struct {
	API     API
	Host    string // of the engine: unix:///var/run/docker.sock
	Local   bool   // the engine runs on this machine: its disk, ports and processes can be seen
	Info    system.Info
	Machine engine.Machine
	Project *types.Project // nil where it did not load
	LoadErr error          // why it did not
	Notices []string       // what loading said: limits above the machine, keys with a new name
	// IgnoredKeys are keys that have no effect on an engine.
	IgnoredKeys []compose.IgnoredKey
	Builder     string // its address, or several separated by commas; empty: none
	// EngineBuilder is the address that means the engine's own BuildKit.
	EngineBuilder string
	Registry      string // host:port or URL; empty: none
	// OwnRegistry is Registry where setup started it, nil where it did not.
	OwnRegistry interface{ Answers(context.Context) error }
	StateDir    string // where state is kept
	// Auth gives the credentials for an image's registry as the engine takes them; nil for none.
	Auth func(image string) string
}

// Report is what JSON has of a check.
type Report struct {
	Project  string            `json:"project"`
	Findings []finding.Finding `json:"findings"` // in the order in which they were looked for
}

// Look runs every check, tells each finding as it comes (tell may be nil), and gives them all. An error means that it
// was interrupted.
func Look(ctx context.Context, in Input, tell func(finding.Finding)) (Report, error) {
	var r Report
	if in.Project != nil {
		r.Project = in.Project.Name
	}
	for _, check := range []func(context.Context, Input) []finding.Finding{
		checkEngine, checkMachine, checkBuilder, checkRegistry, checkDisk, checkProject, checkBuilds, checkPreflight,
		checkPorts, checkLogs, checkJobs,
	} {
		found := check(ctx, in)
		if err := ctx.Err(); err != nil { // what was found meanwhile may only say that it was interrupted
			return r, err
		}
		for _, f := range found {
			if tell != nil {
				tell(f)
			}
			r.Findings = append(r.Findings, f)
		}
	}
	return r, nil
}

// Machine runs the checks that say something without a project: of the engine, the machine, the builder and the disks.
func Machine(ctx context.Context, in Input) []finding.Finding {
	in.Project = nil
	var out []finding.Finding
	for _, check := range []func(context.Context, Input) []finding.Finding{
		checkEngine, checkMachine, checkBuilder, checkDisk,
	} {
		out = append(out, check(ctx, in)...)
	}
	return out
}

// Verdict is an error where a check failed, with the exit code of the first; warnings are none.
func (r Report) Verdict() error {
	var failed []finding.Finding
	for _, f := range r.Findings {
		if f.Severity == finding.Failure {
			failed = append(failed, f)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	texts := make([]string, 0, len(failed))
	for _, f := range failed {
		texts = append(texts, f.Text())
	}
	return fault.New(failed[0].Code, failed[0].Remedy, "%s failed", count(len(failed), "check")).WithDetail(texts...)
}

// Check runs every check, prints its findings as they come, and gives them. An error means that it was interrupted.
func Check(ctx context.Context, in Input, out *ui.Out) (Report, error) {
	out.Title("doctor")
	r, err := Look(ctx, in, func(f finding.Finding) { show(out, f) })
	if err != nil || r.Verdict() != nil {
		return r, err
	}
	warnings := 0
	for _, f := range r.Findings {
		if f.Severity == finding.Warning {
			warnings++
		}
	}
	out.Info("fit to go, %s", count(warnings, "warning"))
	return r, nil
}

func show(out *ui.Out, f finding.Finding) {
	switch f.Severity {
	case finding.OK:
		out.Done("%s", f.Text())
	case finding.Info:
		out.Info("%s", f.Text())
	case finding.Warning:
		out.Warn("%s", f.Text())
	case finding.Failure:
		out.Failed("%s", f.Text())
	}
	if f.Remedy != "" {
		out.Info("  next: %s", f.Remedy)
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func checkEngine(_ context.Context, in Input) []finding.Finding {
	return []finding.Finding{
		finding.Good("engine.version", "engine %s at %s, %s, cgroup v%s", in.Info.ServerVersion, in.Host,
			in.Info.Driver, in.Info.CgroupVersion),
	}
}

func checkProject(_ context.Context, in Input) []finding.Finding {
	if in.LoadErr != nil {
		first, _, _ := strings.Cut(in.LoadErr.Error(), "\n")
		return []finding.Finding{
			finding.Fail(fault.Config, "project.load", "docker compose config", "the Compose project does not load: %s",
				first),
		}
	}
	if in.Project == nil {
		return []finding.Finding{finding.Fail(fault.Config, "project.load", "", "there is no Compose project here")}
	}
	out := []finding.Finding{
		finding.Good("project.load", "project %s: %s", in.Project.Name, count(len(in.Project.Services), "service")),
	}
	for _, n := range in.Notices {
		out = append(out, finding.Warn("project.notice", "", "%s", n))
	}
	for _, u := range in.IgnoredKeys {
		out = append(out, finding.Warn("project.key", "", "%s", u))
	}
	return out
}

// checkBuilds asks what a build asks before it begins: contexts and Dockerfiles.
func checkBuilds(_ context.Context, in Input) []finding.Finding {
	if in.Project == nil {
		return nil
	}
	var out []finding.Finding
	for _, p := range buildplan.Problems(in.Project) {
		out = append(out,
			finding.Fail(fault.Config, "build.source", "mend build: of "+fault.Quote(p.Service)+" in the Compose file",
				"%s", p.What).Of(p.Service))
	}
	return out
}

// checkPreflight asks what docker compose and the engine would refuse of the project.
func checkPreflight(ctx context.Context, in Input) []finding.Finding {
	if in.Project == nil {
		return nil
	}
	out := preflight.All(ctx,
		preflight.Input{API: in.API, Info: in.Info, Local: in.Local, Project: in.Project, Auth: in.Auth})
	if len(out) == 0 {
		return []finding.Finding{
			finding.Good("project.parts", "images, files, networks, volumes and limits are as a start wants them"),
		}
	}
	return out
}
