// Package heal restarts services while they are unhealthy, which no restart policy does: only those that ask for it, a
// few times an hour at most, and never while another run is at work on the project.
package heal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/restarts"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/wait"
)

// Options are the choices of a healer.
type Options struct {
	Engine   *engine.Engine
	Project  func(context.Context) (*types.Project, error) // as its Compose files are now
	Services []string                                      // just these; empty for those that ask for it
	Bound    restarts.Bound
	Every    time.Duration // between two looks
	Out      *ui.Out
}

// DefaultEvery is how often is looked.
const DefaultEvery = 2 * time.Second

// healer is a run of it.
type healer struct {
	Options
	project  *types.Project
	services []string
	record   restarts.Record
	busy     time.Time            // when another run was at work last, as far as known, by the engine's clock
	own      time.Time            // when the project's lock was given back here last
	began    map[string]time.Time // when a service was restarted that is not healthy yet, by the engine's clock
	said     map[string]string    // what was said last, by whom it is about
}

// Run restarts the chosen services while they are unhealthy, until ctx ends, which is no error. Errors are *fault.Error
// of code Usage where no service is chosen, and of code Failed where another healer is at work on the project.
func Run(ctx context.Context, o Options) error {
	h := &healer{Options: o, began: map[string]time.Time{}, said: map[string]string{}}
	project, err := Check(ctx, o)
	if err != nil {
		return err
	}
	h.choose(project)
	release, err := only(project.Name)
	if err != nil {
		return err
	}
	defer release()
	o.Out.Title("healing %s: %s", project.Name, strings.Join(h.services, ", "))
	o.Out.Info("each is restarted while it is unhealthy, at most %d times within %s", o.Bound.Most, o.Bound.Words())
	for {
		if err := h.look(ctx); err != nil && ctx.Err() == nil {
			h.sayOnce("", "nothing is healed: %v", err)
		}
		if wait.For(ctx, o.Every) != nil {
			return nil
		}
	}
}

// Check reads the project, and says where nothing would be healed of it.
func Check(ctx context.Context, o Options) (*types.Project, error) {
	project, err := o.Project(ctx)
	if err != nil {
		return nil, err
	}
	if err := compose.CheckNames(project, o.Services); err != nil {
		return nil, err
	}
	if len(chosen(project, o.Services)) == 0 {
		return nil, fault.New(fault.Usage, "go tool mage heal SERVICE, or x-compose-mage: {heal: true} on a service",
			"no service of %q asks to be restarted while it is unhealthy", project.Name)
	}
	return project, nil
}

// only keeps other healers from the project.
func only(project string) (func(), error) {
	path, err := restarts.Path(project)
	if err != nil {
		return nil, err
	}
	if err := state.MakeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	release, err := state.TryLock(path + ".lock")
	if err != nil {
		return nil, err
	}
	if release == nil {
		return nil, fault.New(fault.Failed, "go tool mage schedule, which says whether the machine runs it",
			"another heal of %q is at work", project)
	}
	return release, nil
}

func (h *healer) choose(project *types.Project) {
	h.project, h.services = project, chosen(project, h.Services)
}

// look looks at the services once, and does what is to be done.
func (h *healer) look(ctx context.Context) error {
	project, err := h.Project(ctx)
	if err != nil {
		h.sayOnce("files", "the Compose files can't be read, and are taken as they were: %v", err)
	} else if h.choose(project); h.said["files"] != "" {
		h.sayOnce("files", "the Compose files are read again")
		delete(h.said, "files")
	}
	if h.record, err = restarts.Read(h.project.Name); err != nil {
		return err
	}
	idle, err := h.idle(ctx)
	if err != nil {
		return err
	}
	if h.said[""] != "" {
		h.sayOnce("", "goes on")
		delete(h.said, "")
	}
	if idle {
		return nil
	}
	found, err := container.Inspect(ctx, h.Engine, h.project.Name)
	if err != nil {
		return err
	}
	h.recovered(found)
	now := h.Engine.Now()
	if at := state.LastRun(h.project.Name); at.After(h.own) {
		h.sawBusy(at.Add(time.Until(now))) // that is by this machine's clock
	}
	var due []step
	for _, s := range steps(h.project, h.services, found, h.record, h.Bound, h.busy, now) {
		switch {
		case s.spent:
			h.leaveAlone(s)
		case s.now(now):
			due = append(due, s)
		case s.waits != "":
			h.sayOnce(s.service, "%s is unhealthy, and waits for %s, which it depends on", s.service, s.waits)
		default:
			h.sayOnce(s.service, "%s is unhealthy again: its next restart is at %s", s.service, clock(s.at))
		}
	}
	owed := h.owed(found)
	if len(due)+len(owed) == 0 {
		return nil
	}
	return h.act(ctx, due, owed)
}

// sawBusy keeps when another run was at work last.
func (h *healer) sawBusy(at time.Time) {
	if at.After(h.busy) {
		h.busy = at
	}
}

// idle says that no container of the project is unhealthy, and none of those that were restarted is watched.
func (h *healer) idle(ctx context.Context) (bool, error) {
	list, err := h.Engine.ContainerList(ctx, client.ContainerListOptions{Filters: client.Filters{}.
		Add("label", container.ProjectLabel+"="+h.project.Name).Add("health", "unhealthy")})
	if err != nil {
		return false, fmt.Errorf("looking for unhealthy containers: %w", err)
	}
	for _, s := range h.record.Services {
		if s.LeftAlone || !s.Owed.IsZero() {
			return false, nil
		}
	}
	return len(list.Items) == 0 && len(h.began) == 0, nil
}

// recovered tells of services that are healthy again.
func (h *healer) recovered(found map[string][]container.Replica) {
	for _, name := range h.services {
		if !slices.ContainsFunc(found[name], container.Replica.Runs) {
			delete(h.began, name) // it was stopped
		}
		if !well(found[name]) {
			continue
		}
		if began, ok := h.began[name]; ok {
			h.say("✓ %s is healthy again, %s after its restart", name, ui.Seconds(h.Engine.Now().Sub(began)))
			delete(h.began, name)
		}
		delete(h.said, name)
		if s := h.record.Services[name]; s.LeftAlone {
			h.say("✓ %s is healthy again, of itself", name)
			s.LeftAlone = false
			h.keep(name, s)
		}
	}
}

// leaveAlone says once that a service has used up its restarts.
func (h *healer) leaveAlone(s step) {
	kept := h.record.Services[s.service]
	if kept.LeftAlone {
		return
	}
	h.say("! %s was restarted %d times within %s and is unhealthy again: it is left alone until %s", s.service,
		h.Bound.Most, h.Bound.Words(), clock(s.at))
	h.detail(s)
	h.Out.Info("  next: go tool mage logs -group -level=warn %s", fault.Quote(s.service))
	kept.LeftAlone = true
	delete(h.began, s.service)
	h.keep(s.service, kept)
}

// keep writes the record of a service; what can't be kept is said, and read again as it was.
func (h *healer) keep(name string, s restarts.Service) bool {
	h.record.Services[name] = s
	if err := h.record.Write(h.project.Name); err != nil {
		h.sayOnce(name, "! %s is not restarted, since that can't be recorded: %v", name, err)
		return false
	}
	return true
}

// say tells something with its time.
func (h *healer) say(format string, args ...any) {
	h.Out.Info("%s %s", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// sayOnce tells something unless it was what was told last of it.
func (h *healer) sayOnce(about, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if h.said[about] != text {
		h.said[about] = text
		h.say("%s", text)
	}
}

// clock is a time of day, by this machine's clock.
func clock(at time.Time) string { return at.Local().Format(time.TimeOnly) }

// errBusy says that another run is at work on the project.
var errBusy = errors.New("another run is at work")
