package recreate

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
)

// sight is how much of a container's files can be known here.
type sight int

const (
	noFiles sight = iota // the engine is elsewhere
	// byRecord: it is here, or in a virtual machine here; what was kept of a file tells whether it was replaced.
	byRecord
	byContainer // engine and project are known to be on one Linux machine, and its paths are ours
)

func sightOf(e *engine.Engine) sight {
	switch {
	case !e.Local():
		return noFiles
	case !e.SharesNetwork():
		return byRecord // also where this user may not look at the engine's process
	}
	return byContainer
}

// outdated says of each service that holds other files or content than it should, why. What can't be known counts as
// it should be.
func (c Comparison) outdated(ctx context.Context, found map[string][]moby.Summary) (map[string]string, error) {
	files := sightOf(c.Engine)
	reasons := make([]string, len(c.Project.ServiceNames()))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inspections)
	for i, name := range c.Project.ServiceNames() {
		contents := contentsOf(c.Project, c.Project.Services[name])
		var replicas []moby.Summary
		for _, r := range found[name] {
			if len(contents) > 0 || files != noFiles && hasFiles(r) {
				replicas = append(replicas, r)
			}
		}
		if len(replicas) == 0 {
			continue
		}
		g.Go(func() error {
			for _, r := range replicas {
				why, err := c.outdatedOne(ctx, name, r, contents, files)
				if err != nil || why != "" {
					reasons[i] = why
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for i, name := range c.Project.ServiceNames() {
		if reasons[i] != "" {
			out[name] = reasons[i]
		}
	}
	return out, nil
}

// inspections is how many services are looked into at a time.
const inspections = 4

func hasFiles(r moby.Summary) bool {
	for _, m := range r.Mounts {
		if m.Type == mount.TypeBind {
			return true
		}
	}
	return false
}

// outdatedOne says why one container is outdated; "" where it is not.
func (c Comparison) outdatedOne(
	ctx context.Context, service string, r moby.Summary, contents map[string]content, files sight,
) (string, error) {
	found, err := c.Engine.ContainerInspect(ctx, r.ID, client.ContainerInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("inspecting a container of %q: %w", service, err)
	}
	record, recorded := c.Records.Of(r.ID)
	keys, again := record.Keys, recorded && record.Started != found.Container.State.StartedAt
	if record.Version != keysVersion {
		keys = nil
	}
	if again {
		record = Record{} // somebody else has started it since
	}
	if why := c.outdatedFile(service, container.Replica{InspectResponse: found.Container}, record, files); why != "" {
		return why, nil
	}
	for target, want := range contents {
		if c.otherContent(ctx, found.Container, target, want, record) {
			return "the content of its " + want.name + " changed", nil
		}
	}
	if again {
		return "", c.Keep(found.Container, service, keys, "")
	}
	return "", nil
}

// content is what Compose copies into a container as a file when it starts it.
type content struct{ name, text string }

// contentsOf gives the service's secrets and configs that are no files of this machine, by where they are copied to.
// Compose leaves out those that are empty.
func contentsOf(project *types.Project, s types.ServiceConfig) map[string]content {
	out := map[string]content{}
	add := func(kind, dir string, use types.FileReferenceConfig, given types.FileObjectConfig) {
		text := given.Content
		if text == "" {
			text = project.Environment[given.Environment] // none has the empty name
		}
		if text != "" {
			out[target(dir, use.Source, use.Target)] = content{kind + " " + use.Source, text}
		}
	}
	for _, use := range s.Secrets {
		add(
			"secret",
			"/run/secrets",
			types.FileReferenceConfig(use),
			types.FileObjectConfig(project.Secrets[use.Source]),
		)
	}
	for _, use := range s.Configs {
		add("config", "/", types.FileReferenceConfig(use), types.FileObjectConfig(project.Configs[use.Source]))
	}
	return out
}

// otherContent says whether what Compose copied into the container is not what it would copy now: by the record of
// this start, else by what is in the container, unless a process has written there since.
func (c Comparison) otherContent(
	ctx context.Context, r moby.InspectResponse, target string, want content, record Record,
) bool {
	if was := record.Contents[target]; was != "" {
		return was != Digest(r.ID, want.text)
	}
	started, err := time.Parse(time.RFC3339Nano, r.State.StartedAt)
	if err != nil || started.IsZero() {
		return false // never started: it is copied when it is
	}
	got, err := c.Engine.CopyFromContainer(ctx, r.ID, client.CopyFromContainerOptions{SourcePath: target})
	if err != nil {
		return false
	}
	defer got.Content.Close()
	return copiedIn(got.Stat.Mtime, started) && otherText(got.Content, want.text)
}

// otherText says whether the first file of an archive has another text; false where it can't be read.
func otherText(content io.Reader, want string) bool {
	archive := tar.NewReader(content)
	if _, err := archive.Next(); err != nil {
		return false
	}
	text, err := io.ReadAll(io.LimitReader(archive, int64(len(want))+1))
	return err == nil && string(text) != want
}

// copiedIn says whether a file with that time is as Compose copied it, just before the start: its archive has whole
// seconds, rounded, which a process in the container would have to write at exactly.
func copiedIn(modified, started time.Time) bool {
	return modified.Nanosecond() == 0 && !modified.After(started.Add(time.Second))
}

// outdatedFile says which file or directory of this machine the container does not hold as it should: one that is
// gone, that comes from elsewhere now, as after the project was moved, or that was replaced by another of its name,
// whereas the mount keeps the old one. A file that was edited in place is the same for both.
func (c Comparison) outdatedFile(service string, r container.Replica, record Record, files sight) string {
	wanted := filesOf(c.Project, c.Project.Services[service])
	for _, m := range r.Mounts {
		if m.Type != mount.TypeBind || files == noFiles {
			continue
		}
		source, err := os.Stat(m.Source)
		if want, ok := wanted[m.Destination]; ok && want != m.Source && files == byContainer {
			return fmt.Sprintf("it mounts %s, not %s", c.short(m.Source), c.short(want))
		}
		if errors.Is(err, os.ErrNotExist) && !r.Runs() && files == byContainer {
			return fmt.Sprintf("it mounts %s, which is gone", c.short(m.Source))
		}
		if err == nil && r.State.Pid > 0 && replaced(m, source, r, record, files) {
			return fmt.Sprintf("it still has the old %s, which was replaced", c.short(m.Source))
		}
	}
	return ""
}

// replaced says whether a running container holds another file than the one that is at the mount's source now: by
// what it sees, where this user may look there, else by the record of its start.
func replaced(m moby.MountPoint, source os.FileInfo, r container.Replica, record Record, files sight) bool {
	var inside *os.File
	err := os.ErrPermission
	if files == byContainer {
		inside, err = openInside(r, m.Destination)
	}
	if err != nil {
		return Replaced(record.Files[m.Destination], FileID(m.Source))
	}
	defer inside.Close()
	path := fmt.Sprintf("/proc/self/fd/%d", inside.Fd())
	held, err := os.Stat(path)
	if err != nil || os.SameFile(held, source) {
		return false
	}
	return Replaced(FileID(path), FileID(m.Source))
}

// short is the path as the Compose file's directory sees it, where it is below.
func (c Comparison) short(file string) string {
	if rel, err := filepath.Rel(c.Project.WorkingDir, file); err == nil && filepath.IsLocal(rel) {
		return "./" + filepath.ToSlash(rel)
	}
	return file
}

// filesOf gives the files of the service's secrets and configs by where they are mounted.
func filesOf(project *types.Project, s types.ServiceConfig) map[string]string {
	files := map[string]string{}
	for _, use := range s.Secrets {
		if file := project.Secrets[use.Source].File; file != "" {
			files[target("/run/secrets", use.Source, use.Target)] = file
		}
	}
	for _, use := range s.Configs {
		if file := project.Configs[use.Source].File; file != "" {
			files[target("/", use.Source, use.Target)] = file
		}
	}
	return files
}

// target is where Compose mounts a secret or config.
func target(dir, source, given string) string {
	switch {
	case given == "":
		return path.Join(dir, source)
	case strings.HasPrefix(given, "/"):
		return given
	}
	return path.Join(dir, given)
}
