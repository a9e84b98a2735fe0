package recreate

import (
	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
)

// Keep keeps what the container, which is as it should be, was made from (keys) and what it has from this start:
// the files and contents as they are now. why is why it was made in the place of another; "" leaves what is kept of
// that.
func (c Comparison) Keep(r moby.InspectResponse, service string, keys Keys, why string) error {
	record := recordOf(c.Project, service, r, keys, sightOf(c.Engine))
	if record.Why = why; why == "" {
		old, _ := c.Records.Of(r.ID)
		record.Why = old.Why
	}
	return c.Records.Keep(r.ID, record)
}

func recordOf(project *types.Project, service string, r moby.InspectResponse, keys Keys, files sight) Record {
	record := Record{
		Service: service, Keys: keys, Started: r.State.StartedAt, Version: keysVersion,
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
