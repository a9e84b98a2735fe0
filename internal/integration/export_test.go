//go:build integration

package integration

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// dockerMakes are the files that the engine adds to every container.
var dockerMakes = map[string]bool{
	".dockerenv": true, "dev": true, "etc": true, "proc": true, "sys": true, "dev/console": true,
	"dev/pts": true, "dev/shm": true, "etc/hostname": true, "etc/hosts": true, "etc/mtab": true,
	"etc/resolv.conf": true,
}

// export gives the content of every regular file of an image, by its path, as a container of it would see it.
func (f *fixture) export(name string) map[string]string {
	f.t.Helper()
	files := map[string]string{}
	f.eachFile(name, func(h *tar.Header, content []byte) {
		if h.Typeflag == tar.TypeReg {
			files[h.Name] = string(content)
		}
	})
	return files
}

// listing gives a line for every file of an image: path, type, mode, owner, link, size and content.
func (f *fixture) listing(name string) string {
	f.t.Helper()
	var b strings.Builder
	f.eachFile(name, func(h *tar.Header, content []byte) {
		fmt.Fprintf(&b, "%s %c %o %d:%d %s %q\n", h.Name, h.Typeflag, h.Mode, h.Uid, h.Gid, h.Linkname, content)
	})
	return b.String()
}

func (f *fixture) eachFile(name string, visit func(*tar.Header, []byte)) {
	f.t.Helper()
	ctx := context.Background()
	made, err := f.engine.ContainerCreate(ctx,
		client.ContainerCreateOptions{Config: &container.Config{Image: name, Cmd: []string{"/none"}}})
	if err != nil {
		f.t.Errorf("making a container of %q: %v", name, err)
		return
	}
	defer func() { _, _ = f.engine.ContainerRemove(ctx, made.ID, client.ContainerRemoveOptions{Force: true}) }()
	body, err := f.engine.ContainerExport(ctx, made.ID, client.ContainerExportOptions{})
	if err != nil {
		f.t.Errorf("exporting %q: %v", name, err)
		return
	}
	defer body.Close()
	in := tar.NewReader(body)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			f.t.Errorf("exporting %q: %v", name, err)
			return
		}
		content, err := io.ReadAll(in)
		if err != nil {
			f.t.Errorf("exporting %q: %v", name, err)
			return
		}
		if !dockerMakes[strings.TrimSuffix(h.Name, "/")] {
			visit(h, content)
		}
	}
}
