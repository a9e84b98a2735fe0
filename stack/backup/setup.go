package backup

import (
	"context"

	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/volumehelper"
	"github.com/25eloquence/compose-mage/internal/volumes"
)

// ImageProject gives the Compose file of a project whose build makes the image of the container that reads the
// volumes, where this process can't: the engine is another machine's, a virtual one's, or rootless, or this process is
// not root. Elsewhere, and with dryRun, which only says so, it gives "".
func ImageProject(ctx context.Context, dryRun bool) (composeFile string, err error) {
	e, err := engine.Connect(ctx)
	if err != nil {
		return "", fault.Exit(ctx, err)
	}
	why := volumes.Unreadable(e, volume.Volume{Driver: "local", Mountpoint: e.Info.DockerRootDir})
	switch {
	case why == "":
		return "", nil
	case dryRun:
		ui.Stdout().Info("would build %s, in whose container volumes are read: %s", volumehelper.Image, why)
		return "", nil
	}
	composeFile, err = volumehelper.WriteProject()
	return composeFile, fault.Exit(ctx, err)
}
