package recreate

import (
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
)

// Keep keeps what the container, which is as it should be, was made from (keys) and what it has from this start:
// the files and contents as they are now.
func (c Comparison) Keep(r moby.InspectResponse, service string, keys Keys) error {
	record := Record{
		Service: service, Keys: keys, Started: r.State.StartedAt, Files: map[string]string{}, Contents: map[string]string{},
	}
	if sightOf(c.Engine) != noFiles {
		for _, m := range r.Mounts {
			if m.Type == mount.TypeBind {
				record.Files[m.Destination] = FileID(m.Source)
			}
		}
	}
	for target, copied := range contentsOf(c.Project, c.Project.Services[service]) {
		record.Contents[target] = Digest(r.ID, copied.text)
	}
	return c.Records.Keep(r.ID, record)
}
