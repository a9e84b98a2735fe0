package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/api/pkg/stdcopy"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/hostport"
	"github.com/25eloquence/compose-mage/internal/readiness"
)

// lastLines is how many log lines of a service that failed are shown.
const lastLines = "12"

// failures joins what went wrong, in the plan's order; what was not started because of another service is named by that one.
func (s *starter) failures(ctx context.Context) error {
	var failed []error
	said := map[string]bool{}
	for _, step := range s.plan.Steps {
		err := s.errs[step.Service]
		if err == nil || errors.Is(err, errDependency) {
			continue
		}
		var create *createError
		if errors.As(err, &create) {
			if said[err.Error()] {
				continue // one cause, such as a network that can't be made, for many
			}
			said[err.Error()] = true
		}
		f := s.failure(ctx, step, err)
		if f.Code == fault.Engine {
			return f // it is away for all the others too
		}
		failed = append(failed, f)
	}
	return errors.Join(failed...)
}

// failure puts a service's failure on one screen: cause, who waits for it, its last log lines, the next command.
func (s *starter) failure(ctx context.Context, step Step, err error) *fault.Error {
	f := s.cause(ctx, step.Service, err)
	var waiting []string
	for _, name := range s.plan.waitingFor(step.Service) {
		if errors.Is(s.errs[name], errDependency) {
			waiting = append(waiting, name)
		}
	}
	if len(waiting) > 0 {
		done := "started"
		if s.renew != nil {
			done = "restarted"
		}
		f.Detail = append(f.Detail, fmt.Sprintf("not %s, as they wait for it: %s", done, strings.Join(waiting, ", ")))
	}
	if !readiness.IsNotReady(err) {
		return f
	}
	for _, c := range s.worst(ctx, step.Service) {
		if lines := tail(ctx, s.engine, c.ID); len(lines) > 0 {
			name := step.Service
			if step.Replicas > 1 {
				name = strings.TrimPrefix(c.Names[0], "/")
			}
			f.Detail = append(f.Detail, fmt.Sprintf("last lines of %s:", name))
			for _, l := range lines {
				f.Detail = append(f.Detail, "  "+l)
			}
		}
	}
	return f
}

// worst gives the service's container that is the likely culprit: one that does not run, else one that is not healthy.
func (s *starter) worst(ctx context.Context, service string) []moby.Summary {
	found, err := container.List(ctx, s.engine, s.project.Name, service)
	all := found[service]
	if err != nil || len(all) == 0 {
		return nil
	}
	culprit := all[0]
	for _, c := range all {
		if strings.Contains(c.Status, "unhealthy") || strings.Contains(c.Status, "starting") {
			culprit = c
		}
	}
	for _, c := range all {
		if c.State != moby.StateRunning {
			culprit = c
		}
	}
	return []moby.Summary{culprit}
}

// causes are the engine's and the library's words for what the user can do something about and that neither has a type for.
var causes = []struct {
	words []string
	code  fault.Code
	next  func(s *starter, service string) string
}{
	{[]string{"executable file not found", "exec format error", "exec: \""}, fault.Config, (*starter).correctProgram},
	{[]string{"no such image", "pull access denied", "manifest unknown", "repository does not exist"}, fault.Config, (*starter).getImage},
	{[]string{"bind source path does not exist", "invalid mount config", "mount source"}, fault.Config, always("go tool mage setup")},
	{[]string{" is ambiguous ("}, fault.Failed, always("docker network rm the one of the two, by its ID, that no container is in; then go tool mage start")},
	{[]string{"is already in use by container"}, fault.Failed, always("docker rm the container of that name, then go tool mage start")},
	{[]string{"oci runtime", "runc create failed"}, fault.Failed, always("go tool mage start")},
}

func always(next string) func(*starter, string) string {
	return func(*starter, string) string { return next }
}

// getImage is how the service gets an image that is not there: it is built, by whichever service builds it, or pulled.
func (s *starter) getImage(service string) string {
	image := api.GetImageNameOrDefault(s.project.Services[service], s.project.Name)
	for _, name := range append([]string{service}, s.project.ServiceNames()...) {
		if other := s.project.Services[name]; other.Build != nil && api.GetImageNameOrDefault(other, s.project.Name) == image {
			return "go tool mage build " + fault.Quote(name) + ", then go tool mage start"
		}
	}
	return "docker pull " + fault.Quote(image) + ", or correct image of " + fault.Quote(service) + "; then go tool mage start"
}

// correctProgram is what helps where the container's program can't be run: nothing of it is mended by a build alone.
func (s *starter) correctProgram(service string) string {
	if s.project.Services[service].Build == nil {
		return "correct image, command and entrypoint of " + fault.Quote(service) + ", then go tool mage start"
	}
	return "correct command and entrypoint of " + fault.Quote(service) + ", or its Dockerfile; then go tool mage build start"
}

// cause says why the service failed, and what to do next.
func (s *starter) cause(ctx context.Context, service string, err error) *fault.Error {
	if fault.EngineLost(err) {
		return fault.New(fault.Engine, fault.Again, "starting %q: the engine went away: %w", service, err)
	}
	var typed *fault.Error
	if errors.As(err, &typed) { // a restart's, which knows more
		said := *typed
		return &said
	}
	text := strings.ToLower(err.Error())
	var never *readiness.NotReady
	if errors.As(err, &never) {
		next := never.Next
		if next == "" {
			next = "go tool mage logs " + fault.Quote(service)
		}
		return fault.New(fault.Failed, next, "starting %q: %w", service, err)
	}
	var provider *providerError
	if errors.As(err, &provider) {
		next := "go tool mage start"
		if errors.Is(err, exec.ErrNotFound) {
			next = "install the provider " + fault.Quote(provider.kind) + " (a docker CLI plugin, or a program in the PATH), then go tool mage start"
		}
		return fault.New(fault.Failed, next, "starting %q: %w", service, err)
	}
	if p, ok := portIn(text); ok {
		who, next := s.holder(ctx, p)
		return fault.New(fault.Resources, next, "starting %q: port %s is taken%s: %w", service, p, who, err)
	}
	if fault.DiskFull(err) {
		return fault.New(fault.Resources, "go tool mage cleanup", "starting %q: %w", service, err)
	}
	var pull *pullError
	if errors.As(err, &pull) {
		// The engine's words are about the registry here, as in "connection refused".
		next := "docker pull " + fault.Quote(pull.image) + ", once its name, the registry and docker login are right; then go tool mage start"
		return fault.New(fault.Registry, next, "starting %q: %w", service, err)
	}
	for _, c := range causes {
		if slices.ContainsFunc(c.words, func(words string) bool { return strings.Contains(text, words) }) {
			return fault.New(c.code, c.next(s, service), "starting %q: %w", service, err)
		}
	}
	next := "go tool mage logs " + fault.Quote(service)
	var create *createError
	if errors.As(err, &create) {
		next = "go tool mage check " + fault.Quote(service) // there may be no container to have logs
	}
	return fault.New(fault.Failed, next, "starting %q: %w", service, err)
}

// takenPort finds the address in what engines say of a port that is taken: "Bind for 0.0.0.0:80 failed: port is already
// allocated", "listen tcp4 127.0.0.1:80: bind: address already in use", "failed to bind host port 127.0.0.1:80/tcp: address
// already in use" and "failed to bind host port for 0.0.0.0:80:172.18.0.2:80/tcp: …".
var takenPort = regexp.MustCompile(`(?:bind for|listen (?:tcp|udp)[46]?|bind host port(?: for)?) (\[[0-9a-f:]*\]|[0-9.]*):(\d+)`)

func portIn(text string) (hostport.Port, bool) {
	if !strings.Contains(text, "already allocated") && !strings.Contains(text, "already in use") {
		return hostport.Port{}, false
	}
	m := takenPort.FindStringSubmatch(text)
	if m == nil {
		return hostport.Port{}, false
	}
	n, err := strconv.Atoi(m[2])
	p := hostport.Port{IP: strings.Trim(m[1], "[]"), Protocol: "tcp", Number: n}
	if strings.Contains(text, "listen udp") || strings.Contains(text, m[2]+"/udp") {
		p.Protocol = "udp"
	}
	return p, err == nil
}

// holder says who has a port, as far as that can be seen, and what to do about it.
func (s *starter) holder(ctx context.Context, p hostport.Port) (who, next string) {
	if list, err := s.engine.ContainerList(ctx, client.ContainerListOptions{}); err == nil {
		if by := hostport.Publisher(p, list.Items); by != nil {
			name := strings.TrimPrefix(by.Names[0], "/")
			if project := by.Labels[api.ProjectLabel]; project != "" && project != s.project.Name {
				return fmt.Sprintf(" by container %s of project %s", name, project), "docker stop " + fault.Quote(name) + ", then go tool mage start"
			}
			return " by container " + name, "docker stop " + fault.Quote(name) + ", then go tool mage start"
		}
	}
	if s.engine.Local() {
		if process := hostport.Holder(p); process != "" {
			return " by " + process, "stop it, or publish another port; then go tool mage start"
		}
	}
	return "", "go tool mage check"
}

// tail gives a container's last log lines; none where they can't be read.
func tail(ctx context.Context, api interface {
	ContainerLogs(ctx context.Context, id string, o client.ContainerLogsOptions) (client.ContainerLogsResult, error)
}, id string,
) []string {
	logs, err := api.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: lastLines})
	if err != nil {
		return nil
	}
	defer logs.Close()
	var out bounded.Tail // a line has no limit
	if _, err := stdcopy.StdCopy(&out, &out, logs); err != nil || out.String() == "" {
		return nil
	}
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	for i, line := range lines {
		lines[i] = bounded.Line(line)
	}
	return lines
}

// lastLook judges every service once more, when all are ready, by the rule that status goes by: an error for each that is not fine.
func (s *starter) lastLook(ctx context.Context) error {
	now, err := container.Inspect(ctx, s.engine, s.project.Name)
	if err != nil {
		return err
	}
	for _, step := range s.plan.Steps {
		if s.errs[step.Service] != nil {
			continue
		}
		v := container.Judge(s.project.Services[step.Service], now[step.Service], s.engine.Now())
		if v.Condition == container.Looping { // it ended since it was ready: does it come back?
			if err := s.comesBack(ctx, step, now[step.Service]); err != nil {
				s.errs[step.Service] = err
			}
			continue
		}
		if !v.Fine {
			s.errs[step.Service] = &readiness.NotReady{Why: v.Why, Next: v.Next}
		}
	}
	return nil
}

// comesBack waits until what the policy restarts of the service has stayed up, or won't.
func (s *starter) comesBack(ctx context.Context, step Step, replicas []container.Replica) error {
	for _, c := range replicas {
		if err := s.waiter(moby.Summary{ID: c.ID, ImageID: c.Image}, step, false).Stays(ctx); err != nil {
			return err
		}
	}
	return nil
}
