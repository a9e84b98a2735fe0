package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/restic"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/state"
)

// stage is the directory that a snapshot is made of. The volumes are mounted there, seen by restic alone.
type stage struct {
	dir      string
	manifest snapshots.Manifest
}

// projectFiles are the paths of what the project is made of beside its images and volumes: Compose files, .env,
// secrets, configs, env files.
func projectFiles(m *compose.Model) []string {
	p := m.Project
	all := slices.Concat(m.Files, m.Read, []string{filepath.Join(p.WorkingDir, ".env")})
	if len(m.Files) > 0 {
		all = append(all, filepath.Join(filepath.Dir(m.Files[0]), ".env"))
	}
	for _, s := range p.AllServices() {
		for _, f := range s.EnvFiles {
			all = append(all, f.Path)
		}
	}
	for _, s := range p.Secrets {
		if s.File != "" {
			all = append(all, s.File)
		}
	}
	for _, c := range p.Configs {
		if c.File != "" {
			all = append(all, c.File)
		}
	}
	for i, path := range all {
		if !filepath.IsAbs(path) {
			all[i] = filepath.Join(p.WorkingDir, path)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// RootOf is the directory below which the project's files are: its own, or the current one where that is above it.
func RootOf(project *types.Project) string {
	here, err := os.Getwd()
	if err != nil {
		return project.WorkingDir
	}
	if rel, err := filepath.Rel(here, project.WorkingDir); err != nil || !filepath.IsLocal(rel) {
		return project.WorkingDir
	}
	return here
}

// Bare is a project of which nothing but the name is known, in the working directory.
func Bare(name string) (*types.Project, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the working directory: %w", err)
	}
	if !snapshots.PlainName(name) || loader.NormalizeProjectName(name) != name {
		return nil, fault.New(fault.Usage, "go tool mage restore -from=REPOSITORY -project=shop",
			"-project=%s is no name of a project", name)
	}
	return &types.Project{Name: name, WorkingDir: here, Environment: types.NewMapping(os.Environ())}, nil
}

// images gives the images of the project's services, as the engine has them. What the engine lacks is left out.
func images(ctx context.Context, e *engine.Engine, services map[string]string) []snapshots.Image {
	var out []snapshots.Image
	for service, name := range services {
		found, err := e.ImageInspect(ctx, name)
		if err != nil {
			continue
		}
		out = append(out, snapshots.Image{Service: service, Name: name, ID: found.ID, Digests: found.RepoDigests})
	}
	slices.SortFunc(out, func(a, b snapshots.Image) int { return strings.Compare(a.Service, b.Service) })
	return out
}

// newStage empties the directory and puts in all but the volumes and the dumps. A file of the project that is not
// there, or is no regular file, is left out: its Compose file may name what is only made later.
func (r *run) newStage(ctx context.Context) (*stage, error) {
	s := &stage{dir: filepath.Join(r.dir, "stage")}
	var err error
	if err = os.RemoveAll(s.dir); err != nil {
		return nil, fmt.Errorf("preparing the backup: %w", err)
	}
	for _, dir := range []string{snapshots.VolumesDir, snapshots.FilesDir, snapshots.OutsideDir, snapshots.DumpsDir} {
		if err := state.MakeDir(filepath.Join(s.dir, dir)); err != nil {
			return nil, err
		}
	}
	p := r.model.Project
	s.manifest = snapshots.Manifest{
		Format: snapshots.Format, Project: p.Name, Folder: p.WorkingDir, Root: RootOf(p), Made: time.Now().UTC(),
		Engine: r.engine.Info.ServerVersion, Volumes: r.plan.Volumes, Users: r.plan.Users, Dumps: []snapshots.Dump{},
		LeftOut: []string{}, Facts: []snapshots.Fact{}, Sizes: map[string]snapshots.Size{},
	}
	for _, v := range r.plan.Volumes {
		if s.manifest.Sizes[v.Key], err = r.sizeOf(ctx, v); err != nil {
			return nil, err
		}
	}
	for _, l := range r.plan.Left {
		s.manifest.LeftOut = append(s.manifest.LeftOut, l.Name)
	}
	names := map[string]string{}
	for name, service := range p.Services {
		names[name] = api.GetImageNameOrDefault(service, p.Name)
	}
	s.manifest.Images = images(ctx, r.engine, names)
	for _, v := range r.plan.Volumes {
		if err := os.Mkdir(filepath.Join(s.dir, snapshots.VolumesDir, v.Key), 0o700); err != nil {
			return nil, fmt.Errorf("preparing the backup: %w", err)
		}
	}
	for i, path := range projectFiles(r.model) {
		if err := s.add(path, i); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// add copies a file of the project, with its owner and mode.
func (s *stage) add(path string, number int) error {
	info, err := os.Stat(path)
	if snapshots.NotThere(err) || err == nil && !info.Mode().IsRegular() {
		return nil
	}
	var data []byte
	if err == nil {
		data, err = bounded.ReadFile(path)
	}
	if err != nil {
		return fault.New(fault.Config, "the same command as a user who may read it", "saving the file %q: %w", path,
			err)
	}
	f := snapshots.File{
		Path: path, Stored: filepath.Join(snapshots.OutsideDir, strconv.Itoa(number), filepath.Base(path)),
	}
	if rel, err := filepath.Rel(s.manifest.Root, path); err == nil && filepath.IsLocal(rel) {
		f.Path, f.Stored = rel, filepath.Join(snapshots.FilesDir, rel)
	}
	f.Mode = uint32(info.Mode().Perm())
	f.UID, f.GID = owner(info)
	to := filepath.Join(s.dir, f.Stored)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fmt.Errorf("saving the file %q: %w", path, err)
	}
	if err := errors.Join(os.WriteFile(to, data, 0o600), os.Chmod(to, info.Mode().Perm()),
		os.Chtimes(to, info.ModTime(), info.ModTime())); err != nil {
		return fmt.Errorf("saving the file %q: %w", path, err)
	}
	_ = os.Lchown(to, f.UID, f.GID) // only root can; the manifest has the owner too
	s.manifest.Files = append(s.manifest.Files, f)
	return nil
}

// write writes the manifest.
func (s *stage) write() error {
	text, err := json.MarshalIndent(s.manifest, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(s.dir, snapshots.ManifestName), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing the snapshot's manifest: %w", err)
	}
	return nil
}

// source is what restic is given.
func (s *stage) source(volumes []Volume, parent string, tags []string) restic.Source {
	out := restic.Source{
		Dir: s.dir, Parent: parent, Tags: tags,
		Paths: []string{
			snapshots.ManifestName, snapshots.FilesDir, snapshots.OutsideDir, snapshots.DumpsDir, snapshots.VolumesDir,
		},
	}
	for _, v := range volumes {
		out.Mounts = append(out.Mounts,
			restic.Mount{From: v.Path, To: filepath.Join(s.dir, snapshots.VolumesDir, v.Key), ReadOnly: true})
	}
	return out
}

// remove takes the stage away: it has copies of secrets.
func (s *stage) remove() { _ = os.RemoveAll(s.dir) }
