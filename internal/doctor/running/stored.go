package running

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// wasteCheck asks the engine for the layers of the images that the project builds.
var wasteCheck = check.Check[*subject.Subject]{
	Rules: []check.Rule{ruleOf("image.waste", "a layer that has files of an earlier one again", check.Engine,
		finding.Info, "docs.docker.com/reference/dockerfile/#copy---chown---chmod")},
	Look: func(ctx context.Context, s *subject.Subject) ([]check.Finding, error) {
		e, project, err := s.Connected()
		if err != nil {
			return nil, err
		}
		images, err := s.Images(ctx)
		if err != nil {
			return nil, err
		}
		var out []check.Finding
		for _, name := range project.ServiceNames() {
			service := project.Services[name]
			found, here := images.Of(project.Name, service)
			if !here || service.Build == nil {
				continue
			}
			layers, err := e.ImageHistory(ctx, found.ID)
			if err != nil {
				return out, fmt.Errorf("reading the layers of the image of %q: %w", name, err)
			}
			out = append(out, wasted(name, layers.Items)...)
		}
		return out, nil
	},
}

// again is a step that changes owners or modes and nothing else: its layer has the files of earlier layers once more.
var again = regexp.MustCompile(`^(?:RUN )?(?:\|\d+ .*)?(?:/bin/\w*sh -\w*c )?` +
	`((?:chown|chmod) (?:-\w*R\w*|--recursive) [^&|;]+?)(?: # buildkit)?$`)

// wastedBytes is what such a layer has to have for a word about it.
const wastedBytes = 20 << 20

func wasted(service string, layers []image.HistoryResponseItem) []check.Finding {
	var out []check.Finding
	for _, l := range layers {
		m := again.FindStringSubmatch(strings.Join(strings.Fields(l.CreatedBy), " "))
		if m == nil || l.Size < wastedBytes {
			continue
		}
		out = append(out, check.Tell("image.waste", "COPY --chown=… or --chmod=… in the Dockerfile of "+
			fault.Quote(service)+", in place of the step", "%s made a layer of %s", m[1], ui.Bytes(l.Size)).Of(service).
			Because("a layer has each file that its step changed once more, and the image is larger by that"))
	}
	return out
}

// cacheCheck looks for a build cache in the engine that no build of ours uses: another builder has theirs.
var cacheCheck = check.Check[*subject.Subject]{
	Rules: []check.Rule{ruleOf("cache.unused", "a build cache in the engine while another builder builds", check.Engine,
		finding.Info, "docs.docker.com/build/cache/garbage-collection/")},
	Look: func(ctx context.Context, s *subject.Subject) ([]check.Finding, error) {
		if s.Builder == "" {
			return nil, nil // the engine builds: its cache is in use
		}
		snapshot, err := s.Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		if snapshot.Disk.At.IsZero() {
			return nil, check.NotSeen("the engine has not said yet what it stores")
		}
		return unusedCache(s.Builder, snapshot.Disk), nil
	},
}

// muchCache is from where on a cache is worth a word.
const muchCache = 5 << 30

func unusedCache(builder string, d monitor.Disk) []check.Finding {
	if d.BuildCache.Reclaimable < muchCache {
		return nil
	}
	return []check.Finding{check.Tell("cache.unused", "go tool mage cleanup",
		"the engine keeps a build cache of %s, and builds go to %s", ui.Bytes(d.BuildCache.Reclaimable), builder).
		Because("it is of docker build or of an earlier setup, and no build here reads it")}
}

// volumesCheck looks for volumes without a name and a container, of whichever project: the engine does not say of whom
// they were.
var volumesCheck = check.Check[*subject.Subject]{
	Rules: []check.Rule{ruleOf("volume.left", "volumes without a name that no container has", check.Engine,
		finding.Info, "docs.docker.com/engine/storage/volumes/#named-and-anonymous-volumes")},
	Look: func(ctx context.Context, s *subject.Subject) ([]check.Finding, error) {
		if s.Engine == nil {
			return nil, check.NotSeen("no engine answers")
		}
		list, err := s.Engine.VolumeList(ctx,
			client.VolumeListOptions{Filters: make(client.Filters).Add("dangling", "true")})
		if err != nil {
			return nil, fmt.Errorf("listing volumes: %w", err)
		}
		return leftVolumes(list.Items, s.Now()), nil
	},
}

// anonymous is the name that the engine gives a volume without one.
var anonymous = regexp.MustCompile(`^[0-9a-f]{64}$`)

// leftFor is how old a volume has to be: a container that is made anew comes back for younger ones.
const leftFor = 7 * 24 * time.Hour

func leftVolumes(all []volume.Volume, now time.Time) []check.Finding {
	var names []string
	for _, v := range all {
		made, err := time.Parse(time.RFC3339, v.CreatedAt)
		if anonymous.MatchString(v.Name) && err == nil && now.Sub(made) > leftFor {
			names = append(names, v.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return []check.Finding{check.Tell("volume.left", "docker volume inspect "+fault.Quote(names[0])+
		", and docker volume rm of what nobody needs: nothing removes them by itself",
		"volumes without a name and a container, older than a week: %d", len(names)).
		Because("docker compose down leaves them, and each docker run of an image with VOLUME makes one")}
}
