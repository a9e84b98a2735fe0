package doctor

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// bigLog is the size of one container's logs, in bytes, that is worth a warning.
const bigLog = 100 << 20

func checkLogs(ctx context.Context, in Input) []Result {
	if in.Project == nil {
		return nil
	}
	results := rotation(in.Project, in.Info.LoggingDriver)
	if !in.Local {
		return results
	}
	list, err := in.API.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", "com.docker.compose.project="+in.Project.Name),
	})
	if err != nil {
		return append(results, warn("", "listing the containers of %s: %v", in.Project.Name, err))
	}
	for _, c := range list.Items {
		got, err := in.API.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
		if err != nil || got.Container.LogPath == "" {
			continue
		}
		if r := logSize(c.Labels["com.docker.compose.service"], sizeOfLogs(got.Container.LogPath)); r.Level != OK {
			results = append(results, r)
		}
	}
	return results
}

// rotation names the services whose logs grow for ever. fallback is the engine's own logging driver; its own options can't be
// seen, so a service that names none is warned of where that driver would not rotate by itself.
func rotation(project *types.Project, fallback string) []Result {
	var endless []string
	for _, name := range project.ServiceNames() {
		driver, bounded := fallback, false
		if l := project.Services[name].Logging; l != nil {
			if l.Driver != "" {
				driver = l.Driver
			}
			bounded = l.Options["max-size"] != ""
		}
		if driver == "json-file" && !bounded {
			endless = append(endless, name)
		}
	}
	if len(endless) > 0 {
		return []Result{warn("set logging.options max-size and max-file in the Compose file", "nothing in the Compose file bounds the logs of %s", strings.Join(endless, ", "))}
	}
	return []Result{pass("logs are bounded")}
}

func logSize(service string, bytes int64) Result {
	if bytes <= bigLog {
		return Result{}
	}
	return warn("set logging.options max-size of "+service+", then go tool mage start", "the logs of %s take %s", service, ui.Bytes(bytes))
}

// sizeOfLogs adds up a log and its rotated predecessors (PATH.1, PATH.2.gz); what can't be read counts as nothing.
func sizeOfLogs(path string) int64 {
	files, _ := filepath.Glob(path + "*")
	total := int64(0)
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
	}
	return total
}
