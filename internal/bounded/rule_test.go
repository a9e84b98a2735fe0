package bounded

import (
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/sources"
)

// unbounded are calls that read as much as there is.
var unbounded = map[string]bool{
	"io.ReadAll": true, "ioutil.ReadAll": true, "os.ReadFile": true, "ioutil.ReadFile": true, "io.Copy": true,
	"io.CopyBuffer":   true,
	"json.NewDecoder": true, "yaml.NewDecoder": true, "xml.NewDecoder": true, "content.ReadBlob": true,
	"stdcopy.StdCopy": true, "httputil.DumpResponse": true,
}

// methods are the same of commands and buffers, whatever they are called.
var methods = []string{".Output", ".CombinedOutput", ".ReadFrom", ".ReadString", ".ReadBytes"}

const kernel = "a file of the kernel's"

// readings are the places where that is right.
var readings = map[string]string{
	"internal/bounded/bounded.go Limit.ReadAll":          "of a bounded reader",
	"internal/bounded/bounded.go Limit.Decode":           "of a bounded reader",
	"internal/buildcontext/ignore.go readLimited":        "of a limited reader",
	"internal/recreate/files.go otherText":               "of a limited reader",
	"internal/compose/inspect.go inspection.composeFile": "of a text in memory",
	"internal/doctor/edit/document.go read":              "of a text in memory",
	"internal/regular/regular.go Read":                   "of a limited reader",
	"internal/trace/schema/schema.go Read":               "of a text in memory",
	"internal/state/read.go ReadFile":                    "of a limited reader",
	"internal/state/stopped_linux.go stopped":            kernel,
	"internal/engine/exec.go Process.Copy":               "into a tail, or to a reader that cuts lines",
	"internal/logstream/follow.go split":                 "to a reader that cuts lines",
	"internal/serve/logs.go containerLines":              "into a tail",
	"internal/diagnosis/diagnosis.go LastLines":          "into a tail",
	"internal/buildinputs/disk.go disk.hash":             "into a hash, of a file of at most 64 MiB",
	"internal/imageload/tarball.go tarLayer":             "to the engine, piece by piece",
	"internal/imageload/tarball.go readAhead":            "to the engine, piece by piece",
	"internal/imageload/tarball.go unpackZstd":           "to a file, of a bounded reader",
	"internal/imageload/saved.go SavedImage.read":        "to a file, of a bounded reader",
	"internal/delivery/send.go Delivery.sendWhole":       "to the engine, piece by piece",
	"internal/delivery/progress.go readPush":             "of a bounded reader",
	"internal/imageload/upload.go LoadArchive":           "of a bounded reader",
	"internal/models/models.go download.verify":          "into a hash, of a file that a download has bounded",
	"internal/models/place.go Options.pack":              "to the engine, of a file that a download has bounded",
	"internal/daemon/tail.go LogTail":                    "of the last 64 KiB of a log",
	"internal/daemon/process_darwin.go identity":         "of ps, for one process",
	"internal/engine/openfiles_linux.go openFiles":       kernel,
	"internal/readiness/kill_linux.go killGroup":         kernel,
	"internal/hostport/holder.go socketOwner":            kernel,
	"internal/recreate/inside_linux.go openInside":       kernel,
	"internal/rollout/drain.go connectedIn":              kernel,
	"internal/freezer/group.go group.frozen":             kernel,
	"internal/volumes/mounted_linux.go isMount":          kernel,
	"internal/restic/reads_linux.go Reads":               kernel,
	"internal/restic/ended_linux.go ended":               kernel,
	"internal/restic/elsewhere.go Repository.program":    "to a program, piece by piece",
	"internal/restic/serve.go directory.write":           "to a file, of restic's",
	"internal/volumehelper/gate.go Helper.NewGate":       "to nowhere",
	"internal/volumehelper/helper.go Helper.listen":      "to a reader that cuts lines",
	"internal/freezer/group.go group.held":               kernel,
	"internal/freezer/group.go find":                     kernel,
	"internal/freezer/process.go look":                   kernel,
	"internal/freezer/process.go boot":                   kernel,
	"internal/daemon/process_linux.go identity":          kernel,
	"internal/daemon/process_linux.go Find":              kernel,
	"internal/daemon/process_linux.go Runs":              kernel,
	"internal/sampler/engine.go frames":                  "of a limited reader",
	"internal/registry/local.go Local.Blob":              "of a limited reader",
	"internal/stepnet/rules_linux.go Network.Guard":      kernel,
	"internal/stepnet/rules_linux.go Taken":              kernel,
	"internal/stepnet/rules_linux.go MTU":                kernel,
	"cmd/mage/main.go looksAtSources":                    "the magefiles, which are compiled and run anyway",
	"internal/verify/verify.go otherPackages":            "of the go command, a line a package",
	"internal/extension/extension.go decode":             "of a text in memory",
	"internal/pinned/pinned.go program.cache":            "of a file of this module's",
	"internal/pinned/pinned.go goCommand":                "of the go command",
	"magefiles/targets/menu.go readLine":                 "from the user's terminal",
}

// TestReadsHaveALimit fails for a new way to read what may have no end.
func TestReadsHaveALimit(t *testing.T) {
	var calls []sources.Call
	sources.Calls(t, func(c sources.Call) {
		found := unbounded[c.Name]
		for _, m := range methods {
			found = found || strings.HasSuffix(c.Name, m) && !strings.HasPrefix(c.Name, "printable.")
		}
		if found {
			calls = append(calls, c)
		}
	})
	if len(calls) < 10 {
		t.Fatalf("%d calls were found: the sources are not read", len(calls))
	}
	sources.Allowed(t, calls, readings, "read it through internal/bounded")
}
