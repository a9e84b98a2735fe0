package stack

import "context"

// optionsKey is what a context holds Options by.
type optionsKey struct{}

// WithOptions gives a context by which the functions of a context alone open a project with o.
func WithOptions(ctx context.Context, o Options) context.Context {
	return context.WithValue(ctx, optionsKey{}, o)
}

// optionsOf gives the options that the context has; the zero value where it has none.
func optionsOf(ctx context.Context) Options {
	o, _ := ctx.Value(optionsKey{}).(Options)
	return o
}

// opened opens the project that the context has the options of, and hands it to do.
func opened(ctx context.Context, do func(*Stack) error) error {
	s, err := Open(ctx, optionsOf(ctx))
	if err != nil {
		return err
	}
	return do(s)
}

// Check looks for what would make a build or a start fail, prints it, and fails where something would.
func Check(ctx context.Context) error {
	return opened(ctx, func(s *Stack) error {
		report, err := s.Check(ctx, CheckOptions{})
		if err != nil {
			return err
		}
		return report.Err()
	})
}

// Build builds the images of the services and of what they depend on, in parallel, and loads what changed.
func Build(ctx context.Context) error {
	return opened(ctx, func(s *Stack) error {
		_, err := s.Build(ctx, BuildOptions{Dependencies: true})
		return err
	})
}

// Start starts the services in dependency order and waits until each is ready.
func Start(ctx context.Context) error {
	return opened(ctx, func(s *Stack) error {
		_, err := s.Start(ctx, StartOptions{})
		return err
	})
}

// Restart restarts what changed, or does not run, in dependency order.
func Restart(ctx context.Context) error {
	return opened(ctx, func(s *Stack) error {
		_, err := s.Restart(ctx, RestartOptions{})
		return err
	})
}

// Stop stops the services, dependants first; nothing is removed.
func Stop(ctx context.Context) error {
	return opened(ctx, func(s *Stack) error { return s.Stop(ctx, StopOptions{}) })
}

// Status prints every service's state, image and ports, and fails where one is not as it should be.
func Status(ctx context.Context) error {
	return opened(ctx, func(s *Stack) error {
		report, err := s.Status(ctx, StatusOptions{})
		if err != nil {
			return err
		}
		report.Print(s.options.Output)
		return report.Err()
	})
}

// Logs prints the last 100 lines of each container's log.
func Logs(ctx context.Context) error {
	return opened(ctx, func(s *Stack) error { return s.Logs(ctx, LogsOptions{}) })
}

// Monitor prints one snapshot of CPU, memory, health, restarts, OOM kills and disk use.
func Monitor(ctx context.Context) error {
	return opened(ctx, func(s *Stack) error {
		snapshot, err := s.Monitor(ctx, MonitorOptions{})
		if err == nil {
			snapshot.Print(s.options.Output)
		}
		return err
	})
}

// Cleanup removes what is provably this project's, can be made again and is no longer used; never a volume with data.
func Cleanup(ctx context.Context) error {
	return opened(ctx, func(s *Stack) error {
		_, err := s.Cleanup(ctx, CleanupOptions{})
		return err
	})
}

// Smoke proves that the started stack does its job: it runs the command that the Compose file names under smoke. A
// stack without one fails.
func Smoke(ctx context.Context) error {
	return opened(ctx, func(s *Stack) error {
		_, err := s.Smoke(ctx, SmokeOptions{})
		return err
	})
}

// Explain prints which build steps ran again, or would, and why.
func Explain(ctx context.Context) error {
	return opened(ctx, func(s *Stack) error {
		_, err := s.Explain(ctx, ExplainOptions{})
		return err
	})
}

// Fit prints the tier, limits and settings that suit the machine.
func Fit(ctx context.Context) error {
	return opened(ctx, func(s *Stack) error {
		report, err := s.Fit(ctx, FitOptions{})
		if err == nil {
			report.Print(s.options.Output)
		}
		return err
	})
}

// Lock moves docker/bases.lock, or the file that BASES_LOCK names, to the digests that the registries have now.
func Lock(ctx context.Context) error {
	_, err := LockBases(ctx, LockOptions{Options: optionsOf(ctx)})
	return err
}

// Setup makes what the machine lacks for the project.
func Setup(ctx context.Context) error {
	return SetupMachine(ctx, SetupOptions{Options: optionsOf(ctx)})
}

// Teardown stops what Setup has started; data and images stay.
func Teardown(ctx context.Context) error {
	return TeardownMachine(ctx, SetupOptions{Options: optionsOf(ctx)})
}
