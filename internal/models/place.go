package models

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"github.com/containerd/errdefs"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// API is what placing asks of the engine; *engine.Engine has it.
type API interface {
	ContainerCreate(context.Context, client.ContainerCreateOptions) (client.ContainerCreateResult, error)
	ContainerRemove(context.Context, string, client.ContainerRemoveOptions) (client.ContainerRemoveResult, error)
	ContainerStatPath(context.Context, string, client.ContainerStatPathOptions) (client.ContainerStatPathResult, error)
	CopyToContainer(context.Context, string, client.CopyToContainerOptions) (client.CopyToContainerResult, error)
	VolumeCreate(context.Context, client.VolumeCreateOptions) (client.VolumeCreateResult, error)
}

// withHelper runs fn with a container that mounts the volume and is never started: the engine reads and writes a
// created container's volumes all the same, so the image needs no shell, and no service has to run or stop.
func (o Options) withHelper(ctx context.Context, fn func(id string) error) error {
	v := o.Project.Volumes[o.Volume]
	full := v.Name
	if !v.External {
		labels := map[string]string{container.ProjectLabel: o.Project.Name, container.VolumeLabel: o.Volume}
		for k, value := range v.Labels {
			labels[k] = value
		}
		// Made as Compose makes it, so that Compose takes it for its own; a volume that exists is left as it is.
		if _, err := o.API.VolumeCreate(ctx,
			client.VolumeCreateOptions{
				Name: full, Driver: v.Driver, DriverOpts: v.DriverOpts, Labels: labels,
			}); err != nil {
			return fmt.Errorf("creating volume %q: %w", full, err)
		}
	}
	made, err := o.API.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &moby.Config{
			Image: o.Image, Cmd: []string{"never-started"}, NetworkDisabled: true,
			// A one-off run of the project: neither docker compose ps nor a start takes it for a service, and a
			// cleanup removes it should this process be killed.
			Labels: map[string]string{
				container.ProjectLabel: o.Project.Name, container.OneOffLabel: "True", container.ServiceLabel: "models",
			},
		},
		HostConfig: &moby.HostConfig{Mounts: []mount.Mount{{Type: mount.TypeVolume, Source: full, Target: o.Target}}},
	})
	if errdefs.IsNotFound(err) {
		return fault.New(fault.Failed, "go tool mage build", "placing a model: image %q is not on the engine: %w",
			o.Image, err)
	}
	if err != nil {
		return fmt.Errorf("creating a container on volume %q: %w", full, err)
	}
	defer func() {
		// Also after an interrupt: the container must not stay.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		_, _ = o.API.ContainerRemove(last, made.ID, client.ContainerRemoveOptions{Force: true})
	}()
	return fn(made.ID)
}

// placedSize is the size of the file in the volume, 0 where it is not there.
func (o Options) placedSize(ctx context.Context, file string) (size int64, err error) {
	err = o.withHelper(ctx, func(id string) error {
		size, err = o.stat(ctx, id, file)
		return err
	})
	return size, err
}

func (o Options) stat(ctx context.Context, id, file string) (int64, error) {
	got, err := o.API.ContainerStatPath(ctx, id, client.ContainerStatPathOptions{Path: path.Join(o.Target, file)})
	if errdefs.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("looking for %q in volume %q: %w", file, o.Volume, err)
	}
	return got.Stat.Size, nil
}

// place copies source into the volume under the name file, mode 0644, and checks that all of it arrived. The engine
// writes a copied file in place and can't rename one, so a service that starts while the copy runs may meet a part of
// it; it finds the whole at its next start.
func (o Options) place(ctx context.Context, source, file string, report func(string)) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return o.withHelper(ctx, func(id string) error {
		r, w := io.Pipe()
		go func() { w.CloseWithError(o.pack(w, f, info, file, report)) }()
		_, err := o.API.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: o.Target, Content: r})
		_ = r.Close() // ends the packing where the engine stopped reading
		if err != nil {
			return fmt.Errorf("copying %q into volume %q: %w", file, o.Volume, err)
		}
		size, err := o.stat(ctx, id, file)
		if err != nil {
			return err
		}
		if size != info.Size() {
			return fault.New(fault.Failed, "go tool mage models again", "copying %q into volume %q: %s of %s arrived",
				file, o.Volume, ui.Bytes(size), ui.Bytes(info.Size()))
		}
		return nil
	})
}

// pack writes a tar archive with the one file.
func (o Options) pack(w io.Writer, f io.Reader, info os.FileInfo, file string, report func(string)) error {
	archive := tar.NewWriter(w)
	header := &tar.Header{
		Name: file, Mode: 0o644, Size: info.Size(), Uid: o.UID, Gid: o.UID, ModTime: info.ModTime(),
		Format: tar.FormatPAX,
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	p := progress{total: info.Size(), start: time.Now(), report: report}
	if _, err := io.Copy(archive, io.TeeReader(f, counter{&p})); err != nil {
		return err
	}
	return archive.Close()
}

// counter reports what passes through.
type counter struct{ p *progress }

func (c counter) Write(b []byte) (int, error) {
	c.p.add(int64(len(b)))
	return len(b), nil
}
