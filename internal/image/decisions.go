package image

import (
	"errors"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// builtFrom says whether the last build was of just these inputs, and this builder has its results.
func (m memory) builtFrom(inputs, builderID string) bool {
	return inputs != "" && inputs == m.Inputs && builderID == m.Builder
}

// loaded says whether the engine's image of that ID is the one that the last build gave it, whose cache is written too.
func (m memory) loaded(engineID string) bool {
	return engineID != "" && engineID == m.EngineID && m.ID != "" && m.Bases != "" && !m.Unexported
}

// confirmOnly says whether the builder need only confirm that an image, whose inputs are those of the last build, is
// the one that the engine has. A target whose steps run again, or that asks for newer bases, may become another image.
func confirmOnly(t buildplan.Target, m memory, engineID string) bool {
	return m.loaded(engineID) && !t.IgnoresCache() && !t.Build.Pull
}

// engineHas says whether the image that the builder just made is the one that the engine has under the target's names:
// by the builder's ID, or by the ID under which the engine took that very image at the last build.
func (m memory) engineHas(engineID, made string) bool {
	return engineID == made || engineID != "" && made == m.ID && engineID == m.EngineID
}

// sameID is the one ID of all of the names; "" where a name has none, or they differ.
func sameID(ids []string) string {
	id := ""
	for _, found := range ids {
		if found == "" || id != "" && found != id {
			return ""
		}
		id = found
	}
	return id
}

// engineCompression packs the layers in an engine's own store, which every engine with a containerd store can read.
// With BuildKit's default, gzip, a changed layer took three times as long to get there; unpacked layers would take
// three times the space.
const engineCompression = "zstd"

// intoEngine exports into the store of the engine whose BuildKit solves.
func intoEngine(names []string) []client.ExportEntry {
	return []client.ExportEntry{{Type: "moby", Attrs: map[string]string{
		"name": strings.Join(names, ","), "compression": engineCompression,
	}}}
}

// imageExports are the exports of the solve that makes an image. unchanged says that the engine probably has the image
// already, which need then not be named and unpacked again; known says that the image need only be confirmed, for
// which nothing is exported.
func imageExports(names []string, native, unchanged, known bool) []client.ExportEntry {
	switch {
	case known:
		return nil
	case native && !unchanged:
		return intoEngine(names)
	case native:
		return []client.ExportEntry{{
			Type:  client.ExporterImage,
			Attrs: map[string]string{"compression": engineCompression},
		}}
	default:
		return []client.ExportEntry{{
			Type:  client.ExporterImage,
			Attrs: map[string]string{"compression": "uncompressed"},
		}}
	}
}

// imageID is the ID of an image that a solve answered with, as the engine will know it.
func imageID(response map[string]string, native bool) string {
	if native {
		return response[exptypes.ExporterImageDigestKey]
	}
	return response[exptypes.ExporterImageConfigDigestKey]
}

// worthWhole says whether an image that could not be loaded should be sent again with all of its layers: not where the
// engine is away, its disk is full, or nobody waits for it any more.
func worthWhole(err, ended error) bool {
	var typed *fault.Error
	return err != nil && ended == nil && !fault.EngineLost(err) &&
		(!errors.As(err, &typed) || typed.Code != fault.Resources)
}

// noBuilderLeft is the failure of an image whose builder went away, with no other to go on.
func noBuilderLeft(t buildplan.Target, b *builder.Builder, cause string) error {
	code := fault.Builder
	if b.Native {
		code = fault.Engine
	}
	return fault.New(code, fault.Again, "building %q: the builder %s went away in mid-build: %s", t.Service, b.Where,
		cause)
}
