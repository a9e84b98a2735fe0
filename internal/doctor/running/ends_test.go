package running

import (
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/source"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/recreate"
)

// ended is a container of service a that ended so, and did not come back.
func ended(end container.End) monitor.Replica {
	r := monitor.Replica{Service: "a", Container: "p-a-1", State: "exited"}
	r.Verdict = container.Opinion{Condition: container.Broken, Why: end.String(), End: &end}
	if end.Cause == container.OutOfMemory || end.ChildKilled {
		r.OOMKills, r.MemoryLimit = 1, end.Limit
	}
	return r
}

func parsed(t *testing.T, text string) source.Files {
	t.Helper()
	f, ok := source.Parse("compose.yaml", []byte(text))
	if !ok {
		t.Fatal(text)
	}
	return source.Files{f}
}

// TestExplained: each end has a cause and a remedy of its own, with numbers, and where an edit mends it, that one.
func TestExplained(t *testing.T) {
	const (
		limit = "services:\n  a:\n    deploy: {resources: {limits: {memory: 64M}}}\n"
		grows = "; go tool mage monitor -since=1h says whether it grows without end"
		logs  = "go tool mage logs a"
		edit  = "services.a.deploy.resources.limits.memory: 64M -> 84M"
	)
	memory := container.End{Cause: container.OutOfMemory, Code: 137, Limit: 64 << 20}
	for name, c := range map[string]struct {
		file          string
		end           container.End
		cause, remedy string
		edit          string
	}{
		"memory": {
			limit, memory, "wanted more memory than its limit allows",
			"deploy.resources.limits.memory: 84M of a, then go tool mage start" + grows, edit,
		},
		"child": {
			limit,
			container.End{Cause: container.ChildOutOfMem, Code: 1, ChildKilled: true, Limit: 64 << 20},
			"wanted more memory than its limit allows",
			"deploy.resources.limits.memory: 84M of a, then go tool mage start" + grows, edit,
		},
		"memory, the short key": {
			"services:\n  a: {mem_limit: 64m}\n", memory, "wanted more memory", "mem_limit: 84M of a, then " +
				"go tool mage start" + grows, "services.a.mem_limit: 64m -> 84M",
		},
		"memory, lowered to the machine": {
			strings.ReplaceAll(limit, "64M", "1G"), memory, "wanted more memory",
			"more memory in this machine, or less beside it: the 1GiB of the Compose file were lowered to what fits " +
				"here (go tool mage fit)", "",
		},
		"memory, of a variable": {
			strings.ReplaceAll(limit, "64M", "'${LIMIT}'"), memory, "wanted more memory",
			"a memory limit of 84MiB or more for a" + grows, "",
		},
		"memory, limit of the machine's tier": {
			"services:\n  a: {image: x}\n", memory, "wanted more memory",
			"deploy.resources.limits.memory: 84M of a, then go tool mage start" + grows,
			"services.a.deploy.resources.limits.memory:  -> 84M",
		},
		"its own or the machine's": {
			limit,
			container.End{Cause: container.OwnOrHostMemory, Code: 137, Limit: 64 << 20, OrHost: true},
			"at its limit, or as the machine was short",
			"deploy.resources.limits.memory: 84M of a, then go tool mage start" + grows, edit,
		},
		"machine": {
			limit,
			container.End{Cause: container.HostOutOfMemory, Code: 137},
			"no limit of its own was reached",
			"go tool mage monitor", "",
		},
		"grace": {
			limit,
			container.End{Cause: container.StopTimeout, Code: 137, Grace: 20},
			"does not end on the stop signal in time",
			"an entrypoint that passes the signal on (exec, or the list form of the command), or " +
				"stop_grace_period: 60s of a", "services.a.stop_grace_period:  -> 60s",
		},
		"docker kill": {
			limit,
			container.End{Cause: container.KilledByHand, Code: 137},
			"sent the signal through the engine",
			"go tool mage start", "",
		},
		"kill -9": {
			limit,
			container.End{Cause: container.Outside, Code: 137},
			"neither through Docker nor from the kernel",
			"go tool mage start", "",
		},
		"exit 3": {limit, container.End{Cause: container.Failed, Code: 3}, "ended by itself with an error", logs, ""},
		"segfault": {
			limit, container.End{Cause: container.Segfault, Code: 139}, "touched memory that is not its own", logs, "",
		},
		"abort": {limit, container.End{Cause: container.Crashed, Code: 134}, "gave itself up", logs, ""},
		"absent": {
			limit,
			container.End{Cause: container.NotFound, Code: 127, Error: "no such file"},
			"does not have the program",
			"correct image, command and entrypoint of a, then go tool mage start", "",
		},
		"forbidden": {
			limit, container.End{Cause: container.NotExecutable, Code: 126}, "may not be run", logs, "",
		},
		"foreign": {
			limit,
			container.End{Cause: container.ExecFormat, Code: 1, Error: "exec format error"},
			"another architecture",
			"give a an image for this machine, or its script a #! line; then go tool mage start", "",
		},
		"refused": {
			limit, container.End{Cause: container.NotStarted, Error: "port"}, "the engine could not give it", logs, "",
		},
		"stopped": {
			limit,
			container.End{Cause: container.Stopped, Code: 137},
			"somebody stopped", "go tool mage start",
			"",
		},
		"gone": {
			limit,
			container.End{Cause: container.Unknown, Code: 137, Gone: true},
			"who sent that is not known",
			"go tool mage monitor -serve, which keeps what the engine forgets; " + logs, "",
		},
	} {
		r := ended(c.end)
		f := check.Warn("service.failed", "x", "%s %s", r.Service, r.Verdict.Why)
		f = Explained(f, r, parsed(t, c.file))
		var edits []string
		for _, e := range f.Edits {
			edits = append(edits, strings.Join(e.Path, ".")+": "+e.Old+" -> "+e.Value)
		}
		if !strings.Contains(f.Cause, c.cause) || f.Remedy != c.remedy || strings.Join(edits, "\n") != c.edit {
			t.Errorf("%s:\n%s\n%s\n%s\nwant\n%s\n%s", name, f.Cause, f.Remedy, edits, c.remedy, c.edit)
		}
		if c.edit != "" && (len(f.Places) == 0 || f.Places[0].Line == 0) {
			t.Errorf("%s: at %v", name, f.Places)
		}
		if (f.Fix == check.Asked) != (c.edit != "") {
			t.Errorf("%s: fix %q", name, f.Fix)
		}
	}
}

func TestExplainedOfALoop(t *testing.T) {
	end := container.End{Cause: container.Completed}
	r := ended(end)
	r.Verdict.Condition, r.Verdict.Why = container.Looping, "keeps exiting (exit 0), restarted 4 times"
	f := Explained(check.Warn("service.looping", "x", "a %s", r.Verdict.Why), r, nil)
	if f.Remedy != "restart: on-failure of a, if it is a job that ends" ||
		!strings.Contains(f.Cause, "restart policy starts it again all the same") {
		t.Errorf("%+v", f)
	}
}

// TestAbout: a finding is explained by the end of the container that it is about, not of another of the service.
func TestAbout(t *testing.T) {
	other := ended(container.End{Cause: container.KilledByHand, Code: 137})
	other.Restarts, other.OOMKills = 0, 0
	for _, id := range []string{
		"memory.killed", "service.restarted", "service.failed", "service.looping", "service.stopped", "memory.high",
	} {
		f := check.Warn(id, "x", "a exited (exit 3)")
		if got := Explained(f, other, nil); got.Cause != "" || got.Remedy != "x" {
			t.Errorf("%s: %+v", id, got)
		}
	}
	alive := monitor.Replica{Service: "a", State: "running", OOMKills: 2, MemoryLimit: 64 << 20}
	f := Explained(check.Warn("memory.killed", "x", "so"), alive, parsed(t, "services: {a: {mem_limit: 64m}}\n"))
	if !strings.HasPrefix(f.Remedy, "mem_limit: 84M of a") {
		t.Errorf("a process was killed and the container runs: %s", f.Remedy)
	}
}

func TestStopKilled(t *testing.T) {
	r := ended(container.End{Cause: container.StopTimeout, Code: 137, Grace: 10})
	l := look{rows: []monitor.Replica{r}}
	if got := ids(stopKills(l)); got != "" {
		t.Errorf("it does not run: %s", got)
	}
	r.Verdict = container.Opinion{Condition: container.Running, Fine: true, Last: r.Verdict.End}
	l.rows[0] = r
	if got := stopKills(l); ids(got) != stopKilled || !strings.Contains(got[0].Remedy, "stop_grace_period: 30s") {
		t.Errorf("%+v", got)
	}
	r.Verdict.Last = &container.End{Cause: container.KilledByHand, Code: 137}
	l.rows[0] = r
	if got := ids(stopKills(l)); got != "" {
		t.Errorf("killed by hand: %s", got)
	}
}

func TestDrift(t *testing.T) {
	l := seen(replica(func(*container.Replica) {}), func(*look) {})
	for name, c := range map[string]struct {
		change recreate.Change
		image  bool
		want   string
	}{
		"keys": {
			recreate.Change{Why: "its configuration changed: a 1 -> 2", Recreate: true}, false, "service.drift",
		},
		"the image alone": {recreate.Change{Why: "its image changed", Recreate: true}, true, ""},
		"it only stands":  {recreate.Change{Why: "p-a-1 exited", Start: true}, false, ""},
		"unhealthy":       {recreate.Change{Why: "p-a-1 is unhealthy"}, false, ""},
	} {
		found := drifted(l, recreate.Changes{
			Services: map[string]recreate.Change{"a": c.change}, Images: map[string]bool{"a": c.image},
		})
		if got := ids(found); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		for _, f := range found {
			if f.Remedy != "go tool mage restart a" || f.Evidence != c.change.Why ||
				!slices.Equal(f.Containers, []string{"p-a-1"}) {
				t.Errorf("%+v", f)
			}
		}
	}
}
