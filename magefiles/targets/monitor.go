package targets

import (
	"context"
	"os"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/footprint"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/stack"
	"github.com/25eloquence/compose-mage/stack/host"
	"github.com/25eloquence/compose-mage/stack/past"
	"github.com/25eloquence/compose-mage/stack/swarm"
)

// Monitor shows CPU, memory, health, restarts, OOM kills and disk use.
//
// One snapshot by default, with what is wrong and what to do about it. With -disk it lists what the engine stores
// instead: every image, container, volume, network and build cache, of all projects. With -all it shows what each
// Compose project on the engine uses, and needs no Compose file. With -since it shows what a watcher recorded. Of a
// deployed stack it shows tasks and nodes, and what tasks use on the nodes that can be asked.
func Monitor(ctx context.Context,
	services *string, // comma-separated services; all by default
	watch *bool, // go on until q or Ctrl-C: a live view on a terminal, lines elsewhere
	every *time.Duration, // between snapshots; 1s by default in the live view, else 2s
	disk *bool, // list what is stored, by size and owner
	all *bool, // every Compose project on the engine, with its memory, CPU and disk
	json *bool, // print the snapshot or the list as JSON
	serve *bool, // show the project on a web page until Ctrl-C; a look asks that server meanwhile
	listen *string, // -listen: with -serve, host and port; 127.0.0.1 and a free port by default
	logs *bool, // with -serve, the page shows logs too
	testAlerts *bool, // -test-alerts: tell those who get alerts that it is a test
	since *time.Duration, // what was recorded in this time, such as 1h: figures of each service, and what went wrong
	deployed *bool, // the stack on the Swarm, with =false the containers of start; what there is by default
	nodes *string, // addresses of the nodes' engines for a deployed stack: gpu1=ssh://ops@gpu1, comma-separated
) error {
	only := value(all, false) || since != nil || value(testAlerts, false) || value(serve, false) || value(disk, false)
	if only && (value(deployed, false) || nodes != nil) {
		return fault.Exit(ctx, notDeployed("monitor", "-all, -since, -serve, -test-alerts and -disk"))
	}
	if since != nil {
		more := value(all, false) || value(watch, false) || value(disk, false) || value(serve, false)
		return fault.Exit(ctx, monitorPast(ctx, services, *since, more, value(json, false)))
	}
	if value(all, false) {
		if services != nil || value(disk, false) {
			return fault.Exit(ctx, refuseAll("monitor"))
		}
		return fault.Exit(ctx, monitorAll(ctx, value(every, 0), value(watch, false), value(json, false)))
	}
	if value(testAlerts, false) {
		more := services != nil || value(watch, false) || value(disk, false) || value(json, false) ||
			value(serve, false)
		return fault.Exit(ctx, served(ctx, more, stack.ServeOptions{Test: true}))
	}
	o := stack.MonitorOptions{Every: value(every, 0)}
	if value(serve, false) {
		more := services != nil || value(watch, false) || value(disk, false) || value(json, false)
		so := stack.ServeOptions{Every: o.Every, Listen: value(listen, ""), Logs: value(logs, false)}
		return fault.Exit(ctx, served(ctx, more, so))
	}
	if listen != nil || value(logs, false) {
		return fault.Exit(ctx, fault.New(fault.Usage, "go tool mage monitor -serve",
			"-listen and -logs go with -serve"))
	}
	if !value(disk, false) {
		find := swarm.FindOptions{Deployed: deployed, Nodes: value(nodes, "")}
		return fault.Exit(ctx, monitor(ctx, services, o, find, value(watch, false), value(json, false)))
	}
	if services != nil || value(watch, false) {
		return fault.Exit(ctx, fault.New(fault.Usage, "go tool mage monitor -disk",
			"-disk lists what the engine stores for all projects, once"))
	}
	return fault.Exit(ctx, showDisk(ctx, value(json, false)))
}

func monitor(
	ctx context.Context, services *string, o stack.MonitorOptions, find swarm.FindOptions, watch, asJSON bool,
) (err error) {
	if o.Services, err = names(services); err != nil {
		return err
	}
	if !watch && !value(find.Deployed, false) {
		if snapshot, source, ok := stack.MonitorServed(ctx, stack.Options{}, o); ok {
			return showServed(snapshot, source, asJSON)
		}
	}
	ctx, on, err := onSwarm(ctx, find)
	if err != nil {
		return err
	}
	if on != nil {
		return monitorOnSwarm(ctx, on, o, watch, asJSON)
	}
	s, err := openJSON(ctx, asJSON && !watch)
	if err != nil {
		return err
	}
	if watch {
		footprint.Lasting()
		return s.Watch(ctx, o)
	}
	o.Print = !asJSON
	snapshot, err := s.Monitor(ctx, o)
	if err != nil || o.Print {
		return err
	}
	return show(snapshot, asJSON)
}

// showServed prints the snapshot of a server that runs, and says whose it is; beside JSON on standard error.
func showServed(snapshot stack.Snapshot, source string, asJSON bool) error {
	if asJSON {
		ui.New(os.Stderr).Info("%s", source)
		return show(snapshot, true)
	}
	if err := show(snapshot, false); err != nil {
		return err
	}
	ui.Stdout().Info("%s", source)
	return nil
}

// served shows the whole project on a page, or tests its alerts, for which nothing else is asked.
func served(ctx context.Context, more bool, o stack.ServeOptions) error {
	if more {
		return fault.New(fault.Usage, "go tool mage monitor -serve",
			"-serve and -test-alerts are for the whole project; -services, -watch, -disk and -json don't go with them")
	}
	s, err := open(ctx)
	if err != nil {
		return err
	}
	if !o.Test {
		footprint.Lasting()
	}
	return s.Serve(ctx, o)
}

// monitorPast shows what was recorded; more says that something else is asked for too.
func monitorPast(ctx context.Context, services *string, since time.Duration, more, asJSON bool) error {
	if more {
		return fault.New(fault.Usage, "go tool mage monitor -since=1h",
			"-since shows what was recorded: -all, -watch, -disk and -serve don't go with it")
	}
	o := past.Options{Since: since}
	var err error
	if o.Services, err = names(services); err != nil {
		return err
	}
	s, err := openJSON(ctx, asJSON)
	if err != nil {
		return err
	}
	report, err := past.Of(ctx, s, o)
	if err != nil {
		return err
	}
	return show(report, asJSON)
}

func showDisk(ctx context.Context, asJSON bool) error {
	s, err := openJSON(ctx, asJSON)
	if err != nil {
		return err
	}
	report, err := s.Disk(ctx)
	if err != nil {
		return err
	}
	return show(report, asJSON)
}

// refuseAll says that -all does not go with options of one project.
func refuseAll(target string) error {
	return fault.New(fault.Usage, "go tool mage "+target+" -all",
		"-all shows every project of the engine: it goes with no service and no option of one project")
}

func monitorAll(ctx context.Context, every time.Duration, watch, asJSON bool) error {
	collectLess()
	o := host.Options{Resources: true, Every: every}
	if watch {
		footprint.Lasting()
		return host.Watch(ctx, o)
	}
	report, err := host.Projects(ctx, o)
	if err != nil {
		return err
	}
	return show(report, asJSON)
}
