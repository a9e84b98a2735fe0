package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"golang.org/x/sync/semaphore"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// StartOptions are the choices of a start.
type StartOptions struct {
	Out     *ui.Out
	Timeout time.Duration // for the whole start; 0 for none beyond each service's own
}

// Start creates what is missing or changed and starts the project's services as their dependencies get ready. What is
// healthy stays up when something fails, and a second start goes on from there.
func Start(ctx context.Context, e *engine.Engine, project *types.Project, o StartOptions) error {
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Timeout, fault.New(fault.Failed, "go tool mage status", "not everything was ready within %s", o.Timeout))
		defer cancel()
	}
	project, err := labelled(project.WithoutUnresolvedOptionalDependencies())
	if err != nil {
		return err
	}
	if err := checkFiles(project); err != nil {
		return err
	}
	if err := checkImages(ctx, e, project); err != nil {
		return err
	}
	compose, err := newCompose(e)
	if err != nil {
		return err
	}
	began := time.Now()
	err = compose.Create(ctx, project, api.CreateOptions{
		Recreate: api.RecreateDiverged, RecreateDependencies: api.RecreateDiverged, Inherit: true, IgnoreOrphans: true, QuietPull: true,
	})
	if err != nil {
		return createError(ctx, err)
	}
	s := &starter{
		engine: e, compose: compose, project: project, out: o.Out, plan: MakePlan(project), began: began,
		cpus: semaphore.NewWeighted(milli(float64(max(1, e.Machine().CPUs)))),
	}
	return s.run(ctx)
}

// checkFiles names the first secret or config of a service whose file is not there: the engine would only say that a
// mount has no source.
func checkFiles(project *types.Project) error {
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		for _, use := range s.Secrets {
			if err := checkFile(name, "secret", use.Source, project.Secrets[use.Source].File); err != nil {
				return err
			}
		}
		for _, use := range s.Configs {
			if err := checkFile(name, "config", use.Source, project.Configs[use.Source].File); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkFile(service, kind, name, path string) error {
	if path == "" {
		return nil
	}
	if _, err := os.Stat(path); err != nil {
		return fault.New(fault.Config, "go tool mage setup", "starting %q: %s %q: %w", service, kind, name, err)
	}
	return nil
}

// checkImages names the services whose image was never built, before anything is created.
func checkImages(ctx context.Context, e *engine.Engine, project *types.Project) error {
	var missing []string
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		if s.Build == nil {
			continue // Compose pulls it
		}
		_, err := e.ImageInspect(ctx, api.GetImageNameOrDefault(s, project.Name))
		if cerrdefs.IsNotFound(err) {
			missing = append(missing, name)
		} else if err != nil {
			return fmt.Errorf("looking for the image of %q: %w", name, err)
		}
	}
	if len(missing) > 0 {
		return fault.New(fault.Config, "go tool mage build "+strings.Join(missing, " "), "starting %s: not built yet", quoted(missing))
	}
	return nil
}

func quoted(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }

func createError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	code := fault.Failed
	next := ""
	if strings.Contains(err.Error(), "no space left on device") {
		code, next = fault.Resources, "go tool mage cleanup"
	}
	return fault.New(code, next, "creating the containers: %w", err)
}

// starter runs one start.
type starter struct {
	engine  *engine.Engine
	compose api.Compose
	project *types.Project
	out     *ui.Out
	plan    Plan
	began   time.Time
	cpus    *semaphore.Weighted // thousandths of cores

	mu   sync.Mutex
	done map[string]chan struct{}
	errs map[string]error
}

var errDependency = errors.New("not started: a dependency failed")

func (s *starter) run(ctx context.Context) error {
	s.done, s.errs = map[string]chan struct{}{}, map[string]error{}
	for _, step := range s.plan.Steps {
		s.done[step.Service] = make(chan struct{})
	}
	var all sync.WaitGroup
	for _, step := range s.plan.Steps {
		all.Go(func() {
			err := s.step(ctx, step)
			s.mu.Lock()
			s.errs[step.Service] = err
			s.mu.Unlock()
			close(s.done[step.Service])
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var failed []error
	for _, step := range s.plan.Steps {
		if err := s.errs[step.Service]; err != nil && !errors.Is(err, errDependency) {
			failed = append(failed, s.failure(ctx, step.Service, err))
		}
	}
	return errors.Join(failed...)
}

// step waits for the service's dependencies and for room, starts it, and waits until it is ready.
func (s *starter) step(ctx context.Context, step Step) error {
	for _, w := range step.Waits {
		if err := s.await(ctx, w); err != nil {
			return err
		}
	}
	weight := min(milli(step.CPUs), milli(float64(max(1, s.engine.Machine().CPUs))))
	if err := s.cpus.Acquire(ctx, weight); err != nil {
		return err
	}
	defer s.cpus.Release(weight)
	released := time.Now()
	one, err := s.project.WithSelectedServices([]string{step.Service}, types.IgnoreDependencies)
	if err != nil {
		return err
	}
	if err := s.compose.Start(ctx, s.project.Name, api.StartOptions{Project: one}); err != nil {
		return err
	}
	if err := s.ready(ctx, step.Service); err != nil {
		s.out.Info("✗ %s %s", step.Service, ui.Seconds(time.Since(released)))
		return err
	}
	s.out.Done("%s ready in %s%s", step.Service, ui.Seconds(time.Since(released)), s.waited(released, step.Waits))
	return nil
}

func (s *starter) waited(released time.Time, waits []Wait) string {
	if len(waits) == 0 {
		return ""
	}
	names := make([]string, len(waits))
	for i, w := range waits {
		names[i] = w.Service
	}
	return fmt.Sprintf(", after %s for %s", ui.Seconds(released.Sub(s.began)), strings.Join(names, ", "))
}

// await blocks until the dependency meets its condition.
func (s *starter) await(ctx context.Context, w Wait) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done[w.Service]:
	}
	s.mu.Lock()
	err := s.errs[w.Service]
	s.mu.Unlock()
	if err != nil {
		return errDependency
	}
	return nil
}

// oneShot says whether others wait for the service to complete rather than to run.
func (s *starter) oneShot(service string) bool {
	for _, step := range s.plan.Steps {
		for _, w := range step.Waits {
			if w.Service == service && w.Condition == types.ServiceConditionCompletedSuccessfully {
				return true
			}
		}
	}
	return false
}

// ready waits for every replica.
func (s *starter) ready(ctx context.Context, service string) error {
	all, err := containers(ctx, s.compose, s.project)
	if err != nil {
		return err
	}
	for _, c := range all[service] {
		if s.oneShot(service) {
			err = completed(ctx, s.engine, c.ID)
		} else {
			err = ready(ctx, s.engine, c.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func milli(cores float64) int64 { return int64(cores * 1000) }
