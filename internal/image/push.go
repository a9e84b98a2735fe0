package image

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/solve"
)

// push builds an image, for several platforms where the target says so, and pushes it to the registry of its names.
func (r *run) push(
	ctx context.Context, t buildplan.Target, m *member, opt solve.Request,
) (Result, *solve.Recorder, error) {
	res := Result{Target: t, State: Pushed}
	rec := solve.NewRecorder(t.Service, r.show)
	if t.Chosen {
		has, lacks := split(t.Platform, m.Platforms)
		if len(has) == 0 {
			return res, rec, fault.New(fault.Usage, "", "the builder %s can't build for %s", m.Where, t.Platform)
		}
		if len(lacks) > 0 {
			res.Warnings = append(res.Warnings,
				fmt.Sprintf("not built for %s, which the builder %s can't build for", strings.Join(lacks, ", "),
					m.Where))
		}
		opt.SetPlatforms(strings.Join(has, ","))
	}
	opt.AddAttestations(t, r.Attest)
	opt.CacheImports = r.usableImports(ctx, t, m)
	opt.CacheExports = append(r.usableExports(ctx, t, m), t.InlineCache()...)
	opt.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{
		"name": strings.Join(t.Names, ","), "push": "true", "oci-mediatypes": "true",
	}}}
	resp, without, err := solve.RunOrDropImports(ctx, m.Builder, opt, rec)
	res.setSteps(rec)
	if without != "" {
		res.Warnings = append(res.Warnings, without)
	}
	if warning := rec.ExportWarning(); warning != "" {
		res.Warnings = append(res.Warnings, "the build cache was not written: "+fault.BuildMessage(warning))
	}
	if err != nil {
		return res, rec, err
	}
	res.ID = resp.ExporterResponse[exptypes.ExporterImageDigestKey]
	if res.ID == "" {
		return res, rec, fmt.Errorf("the builder gave no digest for the pushed image")
	}
	return res, rec, nil
}

// split says which platforms of a list ("linux/amd64,linux/arm64") are among those that a builder has.
func split(list string, have []ocispecs.Platform) (has, lacks []string) {
	for want := range strings.SplitSeq(list, ",") {
		want = strings.TrimSpace(want)
		p, err := platforms.Parse(want)
		if err == nil &&
			slices.ContainsFunc(have, func(h ocispecs.Platform) bool { return platforms.Only(h).Match(p) }) {
			has = append(has, want)
		} else {
			lacks = append(lacks, want)
		}
	}
	return has, lacks
}
