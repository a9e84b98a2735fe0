package stack

import (
	"context"
	"strings"

	dockercli "github.com/docker/cli/cli/command"

	"github.com/25eloquence/compose-mage/internal/doctor"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/provision"
	"github.com/25eloquence/compose-mage/internal/state"
)

// CheckOptions are the choices of a check.
type CheckOptions struct {
	Services []string // these and what they depend on; empty is all
}

// CheckReport is what a check found.
type CheckReport struct {
	Project  string    `json:"project"`
	Findings []Finding `json:"findings"` // in the order in which they were looked for

	failed error
}

// Finding is one fact that a check found.
type Finding struct {
	ID       string `json:"id"`       // which rule found it, dotted and stable: image.missing
	Severity string `json:"severity"` // ok, info, warning or failure
	// Subjects are the services that the finding is about; none where it is about the machine or the project.
	Subjects []string `json:"subjects,omitempty"`
	Evidence string   `json:"evidence"`            // what was seen, a sentence
	Remedy   string   `json:"remedy,omitempty"`    // what to do or type next
	Code     int      `json:"exit_code,omitempty"` // of a failure
}

// Err is an error where a build or a start would fail, with the exit code of the first failure; warnings are none.
func (r CheckReport) Err() error { return r.failed }

// Check looks for what would make a build or a start fail, and prints each finding as it comes. It changes nothing.
// That something would fail is no error of Check, but of the report.
func (s *Stack) Check(ctx context.Context, o CheckOptions) (CheckReport, error) {
	report, err := s.check(ctx, o)
	return report, fault.Exit(ctx, err)
}

func (s *Stack) check(ctx context.Context, o CheckOptions) (CheckReport, error) {
	p, err := s.loadToStart(ctx, o.Services)
	if err != nil {
		return CheckReport{}, err
	}
	in, err := p.doctorInput()
	if err != nil {
		return CheckReport{}, err
	}
	found, err := doctor.Check(ctx, in, p.out)
	if err != nil {
		return CheckReport{}, err
	}
	out, err := shaped[CheckReport](found)
	out.failed = fault.Exit(ctx, found.Verdict())
	return out, err
}

// doctorInput is what a check looks at.
func (p *project) doctorInput() (doctor.Input, error) {
	dir, err := state.Dir()
	if err != nil {
		return doctor.Input{}, err
	}
	cache, err := p.cache()
	if err != nil {
		return doctor.Input{}, err
	}
	registry := "" // a cache of another type has no address to ask
	if cache.Type == "registry" {
		registry, _, _ = strings.Cut(cache.Prefix, "/")
	}
	in := doctor.Input{
		API: p.engine, Host: p.engine.Host, Local: p.engine.Local(), Info: p.engine.Info, Machine: p.engine.Machine(),
		Project: p.model.Project, Notices: p.model.Notices, IgnoredKeys: p.model.IgnoredKeys, Builder: p.Builder(),
		EngineBuilder: provision.EngineBuilder, Registry: registry, StateDir: dir, Auth: p.credentials,
	}
	if cache.Local != nil {
		in.OwnRegistry = cache.Local
	}
	return in, nil
}

// credentials gives those of docker login for an image's registry, as the engine takes them; "" for none.
func (s *Stack) credentials(image string) string {
	auth, err := dockercli.RetrieveAuthTokenFromImage(s.engine.CLI.ConfigFile(), image)
	if err != nil {
		return ""
	}
	return auth
}
