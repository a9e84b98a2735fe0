package volumehelper

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/snapshots"
)

// packed is a file, or a directory, that the container gets: data where it is not nil, else what is at a path here.
type packed struct {
	name string
	mode fs.FileMode
	data []byte
	path string
	info fs.FileInfo
}

// fileState tells whether a file here has changed since it was sent.
type fileState struct {
	size int64
	time time.Time
}

// Put sends what is in a directory of this machine to Stage, but for what was sent before and has not changed, and
// for what is below the names left out.
func (h *Helper) Put(ctx context.Context, dir string, without ...string) error {
	var all []packed
	err := filepath.WalkDir(dir, func(at string, e fs.DirEntry, err error) error {
		if err != nil || at == dir {
			return err
		}
		rel, err := filepath.Rel(dir, at)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if slices.Contains(without, name) {
			return fs.SkipDir
		}
		info, err := e.Info()
		now := fileState{}
		if err == nil {
			now = fileState{info.Size(), info.ModTime()}
		}
		if err != nil || !info.Mode().IsRegular() && !info.IsDir() || h.sent[name] == now && !info.IsDir() {
			return err
		}
		if _, known := h.sent[name]; known && info.IsDir() {
			return nil
		}
		h.sent[name] = now
		all = append(all, packed{name: name, mode: info.Mode(), path: at, info: info})
		return nil
	})
	if err != nil || len(all) == 0 {
		return err
	}
	return h.unpack(ctx, Stage, all)
}

// unpack writes files into a directory of the container.
func (h *Helper) unpack(ctx context.Context, dir string, all []packed) error {
	p, err := engine.StartExec(ctx, h.Engine, h.id, []string{"bash", "-c", unpack, "bash", dir}, true)
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- send(p, all) }()
	done, err := p.Wait(ctx)
	if err == nil && done.Code != 0 {
		err = fmt.Errorf("exit code %d: %s", done.Code, bounded.LastLine(done.Stderr))
	}
	if err == nil {
		err = <-sent
	}
	if err != nil {
		return fmt.Errorf("giving the container that reads the volumes its files: %w", err)
	}
	return nil
}

func send(p *engine.Process, all []packed) error {
	w := tar.NewWriter(p)
	for _, f := range all {
		if err := f.write(w); err != nil {
			p.Close()
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return p.CloseInput()
}

func (f packed) write(w *tar.Writer) error {
	header := &tar.Header{
		Name: f.name, Mode: int64(f.mode.Perm()), Size: int64(len(f.data)), Typeflag: tar.TypeReg, ModTime: time.Now(),
	}
	if f.info != nil {
		header.ModTime, header.Size = f.info.ModTime(), f.info.Size()
	}
	if f.info != nil && f.info.IsDir() {
		header.Typeflag, header.Size, header.Name = tar.TypeDir, 0, f.name+"/"
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	if f.path == "" {
		_, err := w.Write(f.data)
		return err
	}
	if f.info.IsDir() {
		return nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.CopyN(w, file, f.info.Size())
	return err
}

// SizeOf is what the volume at a path below Stage has.
func (h *Helper) SizeOf(ctx context.Context, at string) (snapshots.Size, error) {
	list := snapshots.NewTally()
	p, err := engine.StartExec(ctx, h.Engine, h.id, []string{
		"find", path.Join(Stage, at), "-type", "f", "-printf", `%P\0%s\0%T@\0%m\0%U\0%G\0`,
	}, false)
	if err != nil {
		return snapshots.Size{}, err
	}
	defer p.Close()
	stop := context.AfterFunc(ctx, p.Close)
	defer stop()
	if err := p.Copy(list, io.Discard); err != nil {
		return snapshots.Size{}, err
	}
	return list.Size(), ctx.Err()
}

// Empty says whether the volume at a path below Stage has nothing in it.
func (h *Helper) Empty(ctx context.Context, at string) (bool, error) {
	said, err := h.run(ctx, `exec find "$1" -mindepth 1 -print -quit`, path.Join(Stage, at))
	return said == "", err
}

// DigHoles makes holes of the zeros in the large files of the volume at a path below Stage.
func (h *Helper) DigHoles(ctx context.Context, at string) error {
	if _, err := h.run(ctx, digHoles, path.Join(Stage, at)); err != nil {
		return fmt.Errorf("making holes: %w", err)
	}
	return nil
}

// renameNumbers are those of renameat2(2), by the machine as the engine calls it.
var renameNumbers = map[string]string{
	"x86_64": "316", "amd64": "316", "aarch64": "276", "arm64": "276", "riscv64": "276",
	"armv7l": "382", "ppc64le": "357",
	"s390x": "347", "i686": "353",
}

// Exchange has two directories change their names, in one step. They are given by their paths on the engine's machine,
// below Options.Root.
func (h *Helper) Exchange(ctx context.Context, a, b string) error {
	var here []string
	for _, at := range []string{a, b} {
		rel, ok := strings.CutPrefix(at, h.Root+"/")
		if !ok {
			return fmt.Errorf("exchanging %q and %q: both have to be in %q", a, b, h.Root)
		}
		here = append(here, path.Join(root, rel))
	}
	number := renameNumbers[h.Engine.Info.Architecture]
	if number == "" {
		return fmt.Errorf("exchanging %q and %q: it is not known how on %q", a, b, h.Engine.Info.Architecture)
	}
	_, err := h.run(ctx, exchange, number, here[0], here[1])
	return err
}
