package doctor

import (
	"context"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// bigLog is the size of one container's logs, in bytes, that is worth a warning.
const bigLog = 100 << 20

func checkLogs(ctx context.Context, in Input) []finding.Finding {
	if in.Project == nil {
		return nil
	}
	results := rotation(in.Project, in.Info.LoggingDriver)
	if !in.Local {
		return results
	}
	list, err := in.API.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", container.ProjectLabel+"="+in.Project.Name),
	})
	if err != nil {
		return append(results, finding.Warn("logs.size", "", "listing the containers of %s: %v", in.Project.Name, err))
	}
	for _, c := range list.Items {
		got, err := in.API.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
		if err != nil || got.Container.LogPath == "" {
			continue
		}
		if r := logSize(c.Labels[container.ServiceLabel], sizeOfLogs(got.Container.LogPath)); r.Severity != finding.OK {
			results = append(results, r)
		}
	}
	return results
}

// rotation names the services whose logs grow for ever. fallback is the engine's own logging driver; its own options
// can't be seen, so a service that names none is warned of where that driver would not rotate by itself.
func rotation(project *types.Project, fallback string) []finding.Finding {
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
		return []finding.Finding{
			finding.Warn("logs.rotation",
				"logging: {driver: local}, or logging.options max-size and max-file, in the Compose file",
				"nothing in the Compose file bounds the logs").Of(endless...),
		}
	}
	return []finding.Finding{finding.Good("logs.rotation", "logs are bounded")}
}

func logSize(service string, bytes int64) finding.Finding {
	if bytes <= bigLog {
		return finding.Finding{}
	}
	return finding.Warn("logs.size", "logging.options max-size of "+fault.Quote(service)+
		" in the Compose file, then go tool mage start", "its logs take %s", ui.Bytes(bytes)).Of(service)
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
