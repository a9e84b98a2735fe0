package stack

import (
	"encoding"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	plans "github.com/25eloquence/compose-mage/internal/backup"
	"github.com/25eloquence/compose-mage/internal/commandline"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/examine"
	"github.com/25eloquence/compose-mage/internal/doctor/fix"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/jobs"
	"github.com/25eloquence/compose-mage/internal/logsearch"
	"github.com/25eloquence/compose-mage/internal/projects"
	"github.com/25eloquence/compose-mage/internal/record"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/stack/backup"
	"github.com/25eloquence/compose-mage/stack/measured"
	"github.com/25eloquence/compose-mage/stack/swarm"
)

var jsonIntro = strings.ReplaceAll(`# What -json prints

Each of these commands prints one JSON value on standard output, in the shapes below; what is said beside it, such as
warnings, goes to standard error, and the exit code is the same as without '-json'. 'start -json' prints an event a line
instead, 'logs -json' an entry a line, and 'build -json' its results ([build.md](build.md)). Programs in Go get the same as values of package
[stack](../stack). Keys may be added, and none is removed or changes its meaning. Times are RFC 3339, sizes are bytes.

This page is made from the code: 'UPDATE=1 go test ./stack -run JSON'.
`, "'", "`")

var (
	at           = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	deployedTask = swarm.Task{
		Name: "web.1", Service: "web", Node: "box2", State: "running", Health: "healthy", Since: at,
		Container: "5f70bf18a086", Before: "exit 137: killed", Ended: at.Add(-time.Minute),
	}
	leftOver = Orphan{Service: "old", Container: "shop-old-1", State: "running"}
)

// jsonShapes is what each command prints, with an example of it.
var jsonShapes = []struct {
	command string
	example any
}{
	{"status -json", StatusReport{
		Project: "shop", Services: []ServiceStatus{
			{
				Service: "web", Fine: true, Condition: "healthy", Health: "healthy", Status: "Up 2 minutes (healthy)",
				Container: "shop-web-1", Image: "shop/web:1",
				Ports: []string{"127.0.0.1:8000->8000/tcp"},
			},
			{
				Service: "worker", Condition: "missing", Status: "not created", Why: "has no container",
				Next: "go tool mage start",
			},
		}, Orphans: []Orphan{leftOver}, Checkouts: []Checkout{{Folder: "/home/ann/shop", Services: []string{"web"}}},
	}},
	{"check -json", CheckReport{Project: "shop", Findings: []Finding{
		{
			ID: "engine.version", Severity: "ok",
			Evidence: "engine 20.10.24 at unix:///var/run/docker.sock, overlay2, cgroup v1",
		},
		{
			ID: "secret.file", Severity: "failure", Subjects: []string{"web"}, Code: 3, Remedy: "go tool mage setup",
			Evidence: `secret "token": open secrets/token: no such file or directory`,
		},
	}}},
	{"doctor -json", examine.Report{
		Project: "shop", Rules: 120, Seconds: 0.9, Findings: []check.Finding{
			check.Fail(fault.Resources, "port.twice", "give web another port of the host",
				"both publish port 8000/tcp of the host").Of("api", "web").
				Because("a port has one owner: whichever starts second fails").
				At(check.Place{File: "/home/ann/shop/compose.yaml", Line: 12}),
		},
		Ignored: []examine.Ignored{{
			ID: "image.floating", Subjects: []string{"db"}, Reason: "built by the same pipeline",
			Evidence: "shop/db is whatever its publisher made last",
		}},
		Unseen: []examine.Unseen{{IDs: []string{"user.root"}, Why: "the engine does not have the images of web"}},
	}},
	{"doctor -fix -json", fix.Report{Project: "shop", Fixes: []fix.Fix{{
		ID: "restart.missing", Subjects: []string{"web"}, Class: check.Safe, State: fix.Refused,
		Evidence: "it publishes ports, and no restart policy starts it again",
		Diff:     []string{"--- compose.yaml", "+++ compose.yaml", "@@ -3,1 +3,2 @@", "+    restart: unless-stopped"},
		Recreate: []string{"web"}, Why: "compose.yaml is a link, and may be another's file",
		Next: "by hand: services.web.restart: unless-stopped",
	}}}},
	{"deploy -json", swarm.Plan{
		Stack: "shop", Orphans: []string{}, Notes: []string{"volume shop_data: on box1, where its data is"},
		Steps: []swarm.Step{
			{Service: "db", Action: "keep", Waits: []swarm.Wait{}},
			{
				Service: "web", Action: "replace", Why: "deploy.resources.limits.memory 64MiB -> 128MiB",
				Waits: []swarm.Wait{{Service: "db", Condition: "service_healthy"}},
				Differences: []swarm.Difference{
					{Key: "deploy.resources.limits.memory", Old: "64MiB", New: "128MiB", Replaces: true},
				},
			},
		},
		Changes: []swarm.Change{{
			Service: "web", Path: "privileged", Where: "compose.yaml:7",
			Instead: "left out: a task never is; name what it needs in cap_add",
		}},
		Operations: []swarm.Operation{
			{Kind: "roll", Service: "web", Count: 2, Began: at, Ended: at.Add(time.Second)},
			{
				Kind: "wait", Service: "web", Began: at.Add(time.Second), Healthy: at.Add(5 * time.Second),
				Ended: at.Add(20 * time.Second),
			},
		},
	}},
	{"nodes -json", swarm.NodesReport{
		Asked: "box1", Nodes: []swarm.Node{{
			ID: "ykm6h2", Name: "gpu1", Role: "worker", State: "ready", Availability: "active", Address: "10.0.0.7",
			Engine: "20.10.24", Platform: "linux/amd64", CPUs: 16, ReservedCPUs: 2, Memory: 64 << 30,
			ReservedMemory: 16 << 30, Resources: []swarm.GenericResource{{Kind: "NVIDIA-GPU", Total: 2, Reserved: 1}},
			Labels: map[string]string{"gpu": "true"}, EngineLabels: map[string]string{},
			Volumes: []string{"shop_models"}, Stacks: []swarm.StackTasks{{Stack: "shop", Running: 3, Failed: 1}},
		}}, Findings: []swarm.Finding{{
			ID: "node.down", Severity: "warning", Evidence: "box2: the node is down: heartbeat failure",
			Remedy: "start its engine again, or, if it is gone for good: docker node rm --force box2",
		}},
	}},
	{"status -json, of a deployed stack", swarm.StatusReport{
		Stack: "shop", Manager: "box1", Services: []swarm.ServiceStatus{
			{
				Service: "web", Mode: "replicated", Condition: "failing", Wanted: 2, Running: 1, Image: "shop/web:1",
				Digest: "5f70bf18a086", Ports: []string{"8000->80/tcp"}, Next: "go tool mage logs web",
				Why: "runs 1 of 2 tasks; web.2 failed on box1: exit 1",
			},
		}, Tasks: []swarm.Task{deployedTask}, Missing: []string{"worker"}, Orphans: []string{},
		Nodes: []swarm.NodeStatus{
			{Name: "box2", Manager: true, State: "down", Availability: "active", Pinned: []string{"db"}},
		},
	}},
	{"monitor -json, of a deployed stack", swarm.Snapshot{
		Time: at, Stack: "shop", Manager: "box1", Findings: []string{},
		Tasks: []swarm.TaskUse{{
			Task: deployedTask, Restarts: 1, Measured: true, CPUPercent: 12.5, Memory: 1 << 20, Limit: 64 << 20,
		}},
		Nodes: []swarm.NodeRoom{{
			Name: "box2", State: "ready", Availability: "active", CPUs: 4, ReservedCPUs: 0.5, Memory: 8 << 30,
			ReservedMemory: 64 << 20, Tasks: 1, Unasked: "its engine at \"ssh://ops@box2\": no answer",
		}},
	}},
	{"restart -dry-run -json, of a deployed stack", swarm.RestartPlan{
		Stack: "shop", Left: []string{"db"}, Steps: []swarm.RestartStep{
			{Service: "web", Action: "restart", Why: "it is named", Tasks: 2},
		},
	}},
	{"cleanup -json, of a deployed stack", swarm.CleanupReport{
		Stack: "shop", DryRun: true, Bytes: 1024, Remove: []swarm.CleanupItem{{
			Kind: "image", ID: "sha256:ab", Name: "ghcr.io/me/web", Node: "box2", Bytes: 1024,
			Why: "an old image of the stack, without a tag; no service has it",
		}},
		Keep: []swarm.CleanupItem{{
			Kind: "volume", ID: "shop_data", Name: "shop_data", Node: "box2", Why: "holds data; goes only when named",
		}}, Unasked: []string{},
	}},
	{"start -dry-run -json", StartPlan{
		Project: "shop", Kept: []string{}, StartsAtOnce: 8, CPUs: 4, Orphans: []Orphan{leftOver}, Steps: []StartStep{
			{Service: "db", Replicas: 1, CPUs: 0.5, Action: "keep", Waits: []StartWait{}},
			{
				Service: "web", Stage: 1, Replicas: 2, Action: "recreate", Why: "its image changed",
				Waits: []StartWait{{Service: "db", Condition: "service_healthy"}},
			},
		}, Operations: []Operation{
			{Kind: "start", Service: "db"},
			{Kind: "wait", Service: "db", Needs: []OperationNeed{{Operation: 0}}},
			{Kind: "recreate", Service: "web", Cause: "its image changed", Count: 2},
			{Kind: "start", Service: "web", Needs: []OperationNeed{{Operation: 1, Healthy: true}, {Operation: 2}}},
			{Kind: "wait", Service: "web", Needs: []OperationNeed{{Operation: 3}}},
		},
	}},
	{"start -json", Event{
		Time: at, Project: "shop", Service: "web", State: "waiting", Seconds: 0.012,
		Waits: []string{"db"},
	}},
	{"restart -dry-run -json", RestartPlan{
		Project: "shop", Left: []string{"db"}, Kept: []string{},
		Steps: []RestartStep{{
			Service: "web", Stage: 1, Action: "replace", Why: "its image changed", Replicas: 1,
			Refused: []string{},
		}},
		Operations: []Operation{
			{Kind: "recreate", Service: "web", Cause: "its image changed"},
			{Kind: "start", Service: "web", Needs: []OperationNeed{{Operation: 0}}},
			{Kind: "wait", Service: "web", Needs: []OperationNeed{{Operation: 1}}},
		},
	}},
	{"cleanup -json", CleanupReport{
		Project: "shop", Scope: "project", DryRun: true, Bytes: 1024,
		Remove: []CleanupItem{{
			Kind: "image", ID: "sha256:ab", Name: "shop/web:0", Bytes: 1024, Project: "shop",
			Why: "an old tag of an image that the Compose file names otherwise",
		}},
		Keep: []CleanupItem{{
			Kind: "volume", ID: "shop_data", Name: "shop_data", Bytes: 4096, Project: "shop",
			Why: "holds data; goes only when named",
		}},
	}},
	{"logs -json", logsearch.Entry{
		Time: at, Service: "web", Container: "web-1", Stream: "stderr", Level: "error",
		Message: "ERROR: order 17 failed\n  at pay.js:3",
	}},
	{"logs -group -json", logsearch.Group{
		Count: 47, Service: "web", Level: "error", Template: "redis *: connection refused", First: at,
		Last: at.Add(time.Minute),
	}},
	{"monitor -json", Snapshot{
		Time: at, Project: "shop", CPUs: 4, Memory: 16 << 30, Services: []Replica{{
			Service: "web", Container: "shop-web-1", ID: "4f1", State: "running", Health: "healthy", ResponseMS: 12,
			CPUPercent: 3.5, MemoryUsed: 64 << 20,
			MemoryPercent: 0.4, Started: at.Add(-time.Hour), Expected: true, Verdict: Verdict{
				Container: "shop-web-1",
				Condition: "healthy", Fine: true,
			},
		}}, Disk: Disk{Root: "/var/lib/docker", Space: &Space{Free: 60 << 30, Total: 100 << 30}},
		Findings: []Finding{{
			ID: "service.restarted", Severity: "warning", Subjects: []string{"web"},
			Evidence: "web was restarted once", Remedy: "go tool mage logs web",
		}},
	}},
	{"monitor -disk -json", DiskReport{Items: []DiskItem{
		{
			Kind: "image", Name: "redis:8", ID: "sha256:cd", Bytes: 52428800, Shared: 1024, Owner: []string{"shop"},
			Users: []string{"shop-db-1"},
		},
		{Kind: "cache", Name: "engine's build cache", Bytes: 7340032, Owner: []string{}, Users: []string{}},
	}}},
	{"status -all -json, monitor -all -json", projects.Report{
		Time: at, CPUs: 4, Memory: 16 << 30, Fine: true, Root: "/var/lib/docker",
		Space: &diskspace.Space{Free: 60 << 30, Total: 100 << 30},
		Projects: []projects.Project{{
			Name: "shop", State: "running", Fine: true, Folders: []projects.Folder{{Path: "/srv/shop"}}, Services: 2,
			FineServices: 2, Containers: 2, Running: 2, Ports: []string{"127.0.0.1:8000->8000/tcp"}, CPUPercent: 3.5,
			MemoryUsed: 64 << 20, MemoryLimit: 512 << 20, Networks: 1, Volumes: 1, ImageBytes: 150 << 20,
			VolumeBytes: -1, ContainerBytes: -1, LogBytes: 4096, Findings: []finding.Finding{},
		}},
	}},
	{"backup -dry-run -json", plans.Plan{
		Project: "shop", Repository: "/mnt/backup", Seconds: 3, Dumps: []snapshots.User{},
		Volumes: []snapshots.Volume{{Key: "data", Name: "shop_data", Driver: "local", Holds: "data"}},
		Users: []snapshots.User{{
			Container: "shop-db-1", Service: "db", By: "freeze", Recipe: "postgres", Before: []string{"sh", "-c", "…"},
		}},
		Left: []plans.Left{{Name: "tiles", Why: "a cache that the services fill again; -caches=tiles saves it too"}},
	}},
	{"backup -drill -dry-run -json", backup.DrillPlan{
		Project: "shop", Name: "shop-drill", Snapshot: "17bfd609", Time: at, Dumps: []string{"db"}, Facts: 2,
		Volumes:  []backup.DrillVolume{{Key: "data", Files: 12, Bytes: 9334}},
		Services: []backup.DrillService{{Name: "db", Image: "sha256:…", Memory: 256 << 20}},
		Room:     backup.DrillRoom{Memory: 64 << 20, MemoryFree: 4 << 30, Disk: 9800, DiskFree: 60 << 30},
		Test:     "/bin/check in db", Notes: []string{}, Last: at.Add(-24 * time.Hour), LastSeconds: 3.1, Limit: 900,
	}},
	{"backup -list -json", backup.Snapshots{
		Project: "shop", Repository: "/mnt/backup",
		Snapshots: []backup.Snapshot{{ID: "17bfd609", Time: at, Host: "host", Volumes: []string{"data"}}},
	}},
	{"schedule -json", jobs.Report{
		Project: "shop", Folder: "/srv/shop", Findings: []finding.Finding{}, Jobs: []jobs.Status{{
			Job: "cleanup", Does: "removes what is the project's and no longer used", Scheduled: true, At: "03:30",
			By: "systemd", Next: at.Add(15*time.Hour + 30*time.Minute), Log: "/root/.cache/compose-mage/…/log",
			Last: &jobs.Run{Started: at.Add(-8 * time.Hour), Ended: at.Add(-8 * time.Hour), Words: "freed 3B"},
		}},
	}},
	{"monitor -since -json", record.Past{
		Project: "shop", From: at.Add(-time.Hour), To: at, Recorded: 3600, Services: []record.Service{{
			Service: "web", Figures: []record.Figure{{
				Metric: "cpu_percent", Min: 0.5, Median: 2, P95: 9, Max: 40,
				Points: []history.Point{{Time: at.Add(-time.Hour), Min: 1, Mean: 2, Max: 3}},
			}},
		}},
		Events: []record.Event{{Time: at.Add(-time.Minute), Service: "web", Kind: "restarted", Count: 1}},
	}},
	{"fit -json", FitReport{
		Tier: "16g", Why: "the machine has 16GiB", Machine: Machine{CPUs: 4, Memory: 16 << 30, OpenFiles: 1048576},
		Services: []FittedService{{
			Service: "web", Given: Resources{CPUs: 8}, Fitted: Resources{CPUs: 4},
			Settings: []Setting{{Name: "GOMAXPROCS", Value: "4", Why: "the cpus limit, rounded up"}},
		}},
	}},
	{"fit -measured -json", measured.Report{
		Project: "shop", Services: []measured.Service{{
			Service: "web", Need: measured.Need{
				Recorded: 7200, P99: 40 << 20, Most: 44 << 20, WorkingP99: 60 << 20, WorkingMost: 64 << 20,
				Started: true,
			},
			Changes: []measured.Change{{
				Service: "web", Key: "mem_limit", Old: "1GiB", New: "80MiB",
				Why: "working set: 99 % of the time at most 60MiB",
			}},
			Notes: []string{"GOMEMLIMIT stays 500MiB, which the Compose file sets"},
		}},
		Overlay: "services:\n  \"web\":\n    mem_limit: \"80MiB\"\n", Written: "compose/measured.yaml",
		Use: "COMPOSE_FILE=compose.yaml:compose/measured.yaml",
	}},
}

// TestJSONIsDocumented makes docs/json.md from the shapes: every key with its type and what the field's comment says.
func TestJSONIsDocumented(t *testing.T) {
	var page strings.Builder
	page.WriteString(jsonIntro)
	for _, shape := range jsonShapes {
		fmt.Fprintf(&page, "\n## %s\n\n", shape.command)
		example, err := json.MarshalIndent(shape.example, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&page, "```json\n%s\n```\n\n| key | type | meaning |\n| --- | --- | --- |\n",
			strings.NewReplacer(`\u003e`, ">", `\u003c`, "<").Replace(string(example)))
		writeKeys(t, &page, reflect.TypeOf(shape.example), "")
	}
	path := filepath.Join("..", "docs", "json.md")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != page.String() {
		t.Errorf("docs/json.md is not what the code prints (%v); UPDATE=1 makes it anew", err)
	}
}

// TestEveryJSONOptionHasAShape holds the page against the command line.
func TestEveryJSONOptionHasAShape(t *testing.T) {
	for name, c := range commandline.Everything().Commands {
		_, has := c.Options["json"]
		documented := name == "build" // in build.md
		for _, shape := range jsonShapes {
			documented = documented || strings.HasPrefix(shape.command, name+" ")
		}
		if has && !documented {
			t.Errorf("%s -json has no documented shape", name)
		}
	}
}

// writeKeys writes a row for each key of a struct, and of those below it.
func writeKeys(t *testing.T, page *strings.Builder, shape reflect.Type, prefix string) {
	t.Helper()
	said := comments(t, shape)
	for i := range shape.NumField() {
		field := shape.Field(i)
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || key == "-" {
			continue
		}
		if field.Anonymous && key == "" {
			writeKeys(t, page, field.Type, prefix)
			continue
		}
		if key == "" {
			t.Errorf("%s.%s has no key of its own", shape, field.Name)
		}
		kind, below, suffix := jsonType(field.Type)
		fmt.Fprintf(page, "| `%s` | %s | %s |\n", prefix+key, kind, said[field.Name])
		if below != nil {
			writeKeys(t, page, below, prefix+key+suffix+".")
		}
	}
}

// jsonType names a type as JSON has it, with the struct below it and how a path goes on there.
func jsonType(of reflect.Type) (kind string, below reflect.Type, suffix string) {
	switch {
	case of == reflect.TypeFor[time.Time]():
		return "time", nil, ""
	case of.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return "string", nil, ""
	case of.Kind() == reflect.Pointer:
		return jsonType(of.Elem())
	case of.Kind() == reflect.Struct:
		return "object", of, ""
	case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct:
		return "list of objects", of.Elem(), "[]"
	case of.Kind() == reflect.Slice:
		kind, _, _ := jsonType(of.Elem())
		return "list of " + kind + "s", nil, ""
	case of.Kind() == reflect.Map:
		kind, _, _ := jsonType(of.Elem())
		return "object of " + kind + "s", nil, ""
	case of.Kind() == reflect.String:
		return "string", nil, ""
	case of.Kind() == reflect.Bool:
		return "boolean", nil, ""
	}
	return "number", nil, ""
}

// comments gives what the source says of a struct's fields.
func comments(t *testing.T, of reflect.Type) map[string]string {
	t.Helper()
	_, dir, _ := strings.Cut(of.PkgPath(), "compose-mage/")
	files, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != of.Name() {
				return true
			}
			for _, field := range spec.Type.(*ast.StructType).Fields.List {
				text := field.Comment.Text()
				if text == "" {
					text = field.Doc.Text()
				}
				for _, name := range field.Names {
					said[name.Name] = strings.Join(strings.Fields(text), " ")
				}
			}
			return false
		})
	}
	return said
}
