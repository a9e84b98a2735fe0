package recreate

import (
	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
)

// Keep keeps what the container, which is as it should be, was made from (keys) and what it has from this start:
// the files and contents as they are now.
func (c Comparison) Keep(r moby.InspectResponse, service string, keys Keys) error {
	return c.Records.Keep(r.ID, recordOf(c.Project, service, r, keys, sightOf(c.Engine)))
}

func recordOf(project *types.Project, service string, r moby.InspectResponse, keys Keys, files sight) Record {
	record := Record{
		Service: service, Keys: keys, Started: r.State.StartedAt,
		Files: map[string]string{}, Contents: map[string]string{},
	}
	if files != noFiles {
		for _, m := range r.Mounts {
			if m.Type == mount.TypeBind {
				record.Files[m.Destination] = FileID(m.Source)
			}
		}
	}
	for target, copied := range contentsOf(project, project.Services[service]) {
		record.Contents[target] = Digest(r.ID, copied.text)
	}
	return record
}
