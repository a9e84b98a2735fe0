package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/backup"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diagnosis"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/restore"
	"github.com/25eloquence/compose-mage/internal/smoke"
	"github.com/25eloquence/compose-mage/internal/snapshots"
)

// again is the next command where a snapshot lacks something.
const again = "go tool mage backup, then go tool mage backup -drill"

// missing says which volumes the services of the snapshot's project use that are not in the snapshot, and were not left
// out on purpose.
func missing(project *types.Project, m snapshots.Manifest) error {
	if m.LeftOut == nil { // by a program that did not write that down
		return nil
	}
	var lacks []string
	for key := range project.Volumes {
		saved := slices.ContainsFunc(m.Volumes, func(v snapshots.Volume) bool { return v.Key == key })
		if used := usedBy(project, key); used != "" && !saved && !slices.Contains(m.LeftOut, key) {
			lacks = append(lacks, fmt.Sprintf("%q of %s", key, used))
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	slices.Sort(lacks)
	return fault.New(fault.Failed, again, "the snapshot lacks a volume: %s", strings.Join(lacks, ", "))
}

// usedBy is a service that mounts a volume; "" where none does.
func usedBy(project *types.Project, key string) string {
	for _, name := range project.ServiceNames() {
		for _, m := range project.Services[name].Volumes {
			if m.Type == types.VolumeTypeVolume && m.Source == key {
				return name
			}
		}
	}
	return ""
}

// emptied says which volumes have no file in the snapshot, and had some in the snapshot before.
func (d *drill) emptied(ctx context.Context) error {
	var empty []string
	for _, v := range d.manifest.Volumes {
		if size, known := d.manifest.Sizes[v.Key]; known && size.Files == 0 {
			empty = append(empty, v.Key)
		}
	}
	if len(empty) == 0 {
		return nil
	}
	all, err := d.Target.List(ctx, d.Project)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(all, func(s snapshots.Snapshot) bool { return s.ID == d.snapshot.ID })
	if at < 1 {
		return nil
	}
	before, err := restore.ManifestOf(ctx, d.Target, d.Project, all[at-1])
	if err != nil {
		return err
	}
	for _, v := range before.Volumes {
		if had := before.Sizes[v.Key].Files; had > 0 && slices.Contains(empty, v.Key) {
			return fault.New(fault.Failed, "go tool mage restore -at="+fault.Quote(all[at-1].ID),
				"the volume %q is empty in the snapshot: in the one before, of %s, it had %d files", v.Key,
				all[at-1].Time.Local().Format("2006-01-02 15:04"), had)
		}
	}
	return nil
}

// images gives what each service runs: the very image that it ran when the snapshot was made, where the engine still
// has it, else what has its name now.
func (d *drill) images(ctx context.Context, project *types.Project) (images map[string]string, notes []string,
	err error,
) {
	images = map[string]string{}
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		if s.Provider != nil {
			continue
		}
		now := api.GetImageNameOrDefault(s, d.Project)
		at := slices.IndexFunc(d.manifest.Images, func(i snapshots.Image) bool { return i.Service == name })
		if at >= 0 {
			saved := d.manifest.Images[at]
			if _, err := d.Engine.ImageInspect(ctx, saved.ID); err == nil {
				images[name] = saved.ID
				continue
			}
			now = saved.Name
		}
		_, err := d.Engine.ImageInspect(ctx, now)
		switch {
		case cerrdefs.IsNotFound(err):
			next := "docker pull " + fault.Quote(now)
			if s.Build != nil {
				next = "go tool mage build " + fault.Quote(name)
			}
			return nil, nil, fault.New(fault.Failed, next, "the image %q of %q is not there", now, name)
		case err != nil:
			return nil, nil, fmt.Errorf("looking at the image %q of %q: %w", now, name, err)
		}
		images[name] = now
		notes = append(notes, fmt.Sprintf("%s runs what is called %s now: the image of the snapshot is not there", name,
			now))
	}
	return images, notes, nil
}

// fill makes the volumes, has restic write into all of them at once, and compare.
func (d *drill) fill(ctx context.Context) error {
	var into []restore.Into
	for _, v := range d.manifest.Volumes {
		made, err := d.Engine.VolumeCreate(ctx, client.VolumeCreateOptions{
			Name: d.name + "_" + v.Key, Labels: map[string]string{
				container.ProjectLabel: d.name, container.VolumeLabel: v.Key, label: d.Project,
			},
		})
		if err != nil {
			return fmt.Errorf("making a volume for %q: %w", v.Key, err)
		}
		into = append(into, restore.Into{Key: v.Key, Volume: made.Volume})
		d.result.Volumes = append(d.result.Volumes, v.Key)
	}
	if len(into) == 0 {
		return nil
	}
	what := "writing " + strings.Join(d.result.Volumes, ", ") + ", and comparing"
	var sizes map[string]snapshots.Size
	err := d.Out.Step(ctx, what, func(ctx context.Context, _ func(string)) (err error) {
		sizes, err = restore.Write(ctx, d.Target, restore.Writing{
			Engine: d.Engine, Owner: d.name, Dir: d.dir, Snapshot: d.snapshot.ID,
		}, into)
		return err
	})
	if err != nil {
		return err
	}
	for _, v := range d.manifest.Volumes {
		if had := d.manifest.Sizes[v.Key].Files; had > 0 && sizes[v.Key].Files == 0 {
			return fault.New(fault.Failed, again,
				"the volume %q is empty in the snapshot: when it was saved it had %d files", v.Key, had)
		}
		moved := slices.Contains(d.snapshot.Moved, v.Key)
		if err := asSaved(v.Key, d.manifest.Sizes[v.Key], sizes[v.Key], moved); err != nil {
			return err
		}
	}
	return nil
}

// asSaved is an error where a volume that was not being written to has other files than when it was saved.
func asSaved(key string, had, has snapshots.Size, moved bool) error {
	if had.Tree == "" || moved || had == has {
		return nil
	}
	what := "their names, sizes, times, modes or owners are others"
	if had.Files != has.Files || had.Bytes != has.Bytes {
		what = fmt.Sprintf("it has %d files with %d bytes", has.Files, has.Bytes)
	}
	return fault.New(fault.Failed, again,
		"the volume %q is not as it was when it was saved, with %d files and %d bytes: %s", key, had.Files, had.Bytes,
		what)
}

// explain is why the restored project does not start, with the last lines of the containers that are not as they should
// be: these are gone afterwards.
func (d *drill) explain(ctx context.Context, cause error) error {
	var lines []string
	found, err := container.Inspect(context.WithoutCancel(ctx), d.Engine, d.name)
	if err == nil {
		for _, v := range container.JudgeAll(d.project, found, d.Engine.Now()) {
			if v.Fine {
				continue
			}
			for _, c := range found[v.Service] {
				for _, line := range diagnosis.LastLines(context.WithoutCancel(ctx), d.Engine, c.ID) {
					lines = append(lines, v.Service+": "+line)
				}
			}
		}
	}
	code := fault.Failed
	var known *fault.Error
	if errors.As(cause, &known) {
		code, cause = known.Code, known.Err
	}
	return fault.New(code, "go tool mage restore, which puts the data beside what is there to look into",
		"the restored project does not start: %w", cause).WithDetail(lines...)
}

// compare asks the services again what they were asked before their data was saved.
func (d *drill) compare(ctx context.Context) error {
	var wrong []string
	for _, f := range d.manifest.Facts {
		id, err := d.running(ctx, f.Service)
		if err != nil {
			return err
		}
		if id == "" {
			d.result.Notes = append(d.result.Notes, f.Service+
				" does not run in the drill: what it holds is not compared")
			continue
		}
		now, err := backup.FactsOf(ctx, d.Engine, id, f.Command)
		if err != nil {
			return fmt.Errorf("asking the restored %q what it holds: %w", f.Service, err)
		}
		for _, difference := range differences(f, now) {
			wrong = append(wrong, f.Service+": "+difference)
		}
		d.result.Facts += len(f.Seen)
	}
	if len(wrong) > 0 {
		return fault.New(fault.Failed, "go tool mage backup -list, and a drill of another snapshot with -at",
			"the restored data is not what was saved: %s", wrong[0]).WithDetail(wrong[1:]...)
	}
	if d.result.Facts > 0 {
		d.Out.Done("%d facts are as they were when it was saved", d.result.Facts)
	}
	return nil
}

// running is a container of the drill's service that runs; "" where there is none.
func (d *drill) running(ctx context.Context, service string) (string, error) {
	found, err := container.Inspect(ctx, d.Engine, d.name, service)
	if err != nil {
		return "", err
	}
	for _, c := range found[service] {
		if c.Runs() {
			return c.ID, nil
		}
	}
	return "", nil
}

// smoke runs the project's own command for drills, else its smoke test, where it has one.
func (d *drill) smoke(ctx context.Context) (err error) {
	test, own, has := testOf(d.project)
	switch {
	case own:
		d.result.Smoke, err = smoke.Command(ctx, d.Engine, d.project, d.Out, "drill", test)
		return err
	case !has:
		d.Out.Info("there is no smoke test: that the services get ready is all that was tried of what they do")
		return nil
	}
	d.result.Smoke, err = smoke.Run(ctx, d.Engine, d.project, d.Out)
	return err
}
