// Package doctor owns the question whether a machine and a project are fit to build and run: a list of checks, each with what was
// seen and the remedy. It changes nothing.
package doctor

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/fatih/color"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// API is what is asked of the engine; *engine.Engine has it.
type API interface {
	DialHijack(ctx context.Context, url, proto string, meta map[string][]string) (net.Conn, error)
	ContainerList(context.Context, client.ContainerListOptions) (client.ContainerListResult, error)
	ContainerInspect(context.Context, string, client.ContainerInspectOptions) (client.ContainerInspectResult, error)
	DiskUsage(context.Context, client.DiskUsageOptions) (client.DiskUsageResult, error)
}

// Input is what the checks look at. Empty parts are left out, with a word where that is a fault.
type Input struct {
	API     API
	Host    string // of the engine: unix:///var/run/docker.sock
	Local   bool   // the engine runs on this machine: its disk, ports and processes can be seen
	Info    system.Info
	Machine engine.Machine
	Project *types.Project // nil where it did not load
	LoadErr error          // why it did not
	Notices []string       // what fitting said: limits above the machine
	Builder string         // its address, or several separated by commas; empty: none
	// EngineBuilder is the address that means the engine's own BuildKit.
	EngineBuilder string
	Registry      string // host:port or URL; empty: none
	StateDir      string // where state is kept
}

// Level is how a check ended.
type Level int

// The levels, from good to bad.
const (
	OK Level = iota
	Warning
	Failure
)

// Result is what one check found.
type Result struct {
	Level Level
	Text  string
	Next  string     // the command to run next
	Code  fault.Code // of a Failure
}

func pass(format string, args ...any) Result { return Result{Text: fmt.Sprintf(format, args...)} }

func warn(next, format string, args ...any) Result {
	return Result{Level: Warning, Text: fmt.Sprintf(format, args...), Next: next}
}

func fail(code fault.Code, next, format string, args ...any) Result {
	return Result{Level: Failure, Text: fmt.Sprintf(format, args...), Next: next, Code: code}
}

// Check runs every check and prints its results as they come. It returns a *fault.Error where one failed, with the exit code of
// the first; warnings are no error.
func Check(ctx context.Context, in Input, out *ui.Out) error {
	out.Title("doctor")
	var failed []Result
	warnings := 0
	for _, check := range []func(context.Context, Input) []Result{
		checkEngine, checkMachine, checkBuilder, checkRegistry, checkDisk, checkProject, checkSecrets, checkPorts, checkLogs,
	} {
		for _, r := range check(ctx, in) {
			r.print(out)
			switch r.Level {
			case Failure:
				failed = append(failed, r)
			case Warning:
				warnings++
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if len(failed) == 0 {
		out.Info("fit to go, %s", count(warnings, "warning"))
		return nil
	}
	texts := make([]string, 0, len(failed))
	for _, r := range failed {
		texts = append(texts, r.Text)
	}
	return fault.New(failed[0].Code, failed[0].Next, "%s failed", count(len(failed), "check")).WithDetail(texts...)
}

func (r Result) print(out *ui.Out) {
	switch r.Level {
	case OK:
		out.Done("%s", r.Text)
	case Warning:
		out.Warn("%s", r.Text)
	case Failure:
		fmt.Fprintln(out.Writer(), color.RedString(" ✗ ")+r.Text)
	}
	if r.Next != "" {
		out.Info("  next: %s", r.Next)
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func checkEngine(_ context.Context, in Input) []Result {
	text := fmt.Sprintf("engine %s at %s, %s, cgroup v%s", in.Info.ServerVersion, in.Host, in.Info.Driver, in.Info.CgroupVersion)
	results := []Result{pass("%s", text)}
	for _, w := range in.Info.Warnings {
		// Engines warn of cgroup features that the kernel lacks; what matters here is whether limits hold.
		if strings.Contains(w, "No memory limit support") || strings.Contains(w, "No cpu cfs quota support") {
			results = append(results, warn("enable the kernel's cgroup controllers", "limits do not hold: %s", w))
		}
	}
	return results
}

func checkMachine(_ context.Context, in Input) []Result { return machine(in.Machine) }

// The specification's recommendation. A machine sold as 16 GB reports a little less, hence the tolerance of 1/8.
const (
	needMemory, bestMemory = 16 << 30, 32 << 30
	needCPUs, bestCPUs     = 8, 16
)

func machine(m engine.Machine) []Result {
	var results []Result
	memory := fmt.Sprintf("%s of memory (16 GiB needed for everything at full size, 32 GiB recommended)", ui.Bytes(m.Memory))
	switch {
	case m.Memory < needMemory*7/8:
		results = append(results, warn("a smaller tier: go tool mage start fits the limits to the machine", "%s", memory))
	case m.Memory < bestMemory*7/8:
		results = append(results, pass("%s", memory))
	default:
		results = append(results, pass("%s of memory", ui.Bytes(m.Memory)))
	}
	cpus := fmt.Sprintf("%s (%d needed for everything at full size, %d recommended)", count(m.CPUs, "CPU"), needCPUs, bestCPUs)
	if m.CPUs < needCPUs {
		return append(results, warn("", "%s", cpus))
	}
	return append(results, pass("%s", cpus))
}

func checkProject(_ context.Context, in Input) []Result {
	if in.LoadErr != nil {
		first, _, _ := strings.Cut(in.LoadErr.Error(), "\n")
		return []Result{fail(fault.Config, "docker compose config", "the Compose project does not load: %s", first)}
	}
	if in.Project == nil {
		return []Result{fail(fault.Config, "", "there is no Compose project here")}
	}
	results := []Result{pass("project %s: %s", in.Project.Name, count(len(in.Project.Services), "service"))}
	for _, n := range in.Notices {
		results = append(results, warn("", "%s", n))
	}
	return results
}
