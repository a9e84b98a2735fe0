package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/restic"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/volumehelper"
	"github.com/25eloquence/compose-mage/internal/volumes"
)

// attempts are made at a second pass within the time for which services may stand still.
const attempts = 3

// Options are what a backup goes by.
type Options struct {
	Engine *engine.Engine
	Model  *compose.Model
	Out    *ui.Out
	Caches []string // volumes that are saved though they hold no data
}

// Result is what a backup came to.
type Result struct {
	Snapshot string
	Time     time.Time
	Bytes    int64   // that the snapshot holds
	Added    int64   // that the repository did not have
	Frozen   float64 // seconds for which services stood still
	Seconds  float64
	Target   snapshots.Target
}

// run is one backup at work.
type run struct {
	Options
	engine *engine.Engine
	model  *compose.Model
	out    *ui.Out
	target snapshots.Target
	plan   Plan
	dir    string // of the project's backups in the state directory
	host   string
	parts  []string // snapshots that are not confirmed
	begun  bool     // it is recorded that a run is at work
	left   bool     // some parts could not be removed
	// large are the files that take long to read, as they were before the first pass, and changed those of them that
	// are written to.
	large   map[largeFile]fs.FileInfo
	changed map[largeFile]bool
	release func() error // starts those that were stopped, once the volumes were read
	// confirmed says that the last snapshot was made as a good one.
	confirmed bool
	moved     []string             // the keys of volumes that were written to right before or after they were saved
	helper    *volumehelper.Helper // reads the volumes; nil where restic does that here
}

// Prepare makes the plan of a backup.
func Prepare(ctx context.Context, o Options) (Plan, error) {
	seen, err := Look(ctx, o.Engine, o.Model.Project)
	if err != nil {
		return Plan{}, err
	}
	location, err := snapshots.Location(o.Model.Project)
	if err != nil {
		return Plan{}, err
	}
	if _, err := restic.Find(ctx); err != nil {
		return Plan{}, err
	}
	plan, err := Decide(seen, o.Caches)
	if err == nil && plan.Helper != "" {
		err = volumehelper.Ready(ctx, o.Engine)
	}
	plan.Repository = fault.Redact(location)
	return plan, err
}

// Run carries out a plan: it saves all while it runs, then has the services stand still and saves what has changed
// since. Nothing stands still, and nothing that was stopped stays so, when it returns.
func Run(ctx context.Context, o Options, plan Plan) (Result, error) {
	began := time.Now()
	r := &run{Options: o, engine: o.Engine, model: o.Model, out: o.Out, plan: plan}
	var err error
	if r.dir, err = snapshots.Dir(plan.Project); err != nil {
		return Result{}, err
	}
	result, err := r.run(ctx)
	result.Seconds = time.Since(began).Seconds()
	if recorded := r.record(result, err); err == nil {
		err = recorded
	}
	return result, err
}

func (r *run) run(ctx context.Context) (Result, error) {
	var err error
	if r.host, err = os.Hostname(); err != nil {
		return Result{}, fmt.Errorf("finding this machine's name: %w", err)
	}
	if r.target, err = snapshots.Open(ctx, r.model.Project, r.out, true); err != nil {
		return Result{}, err
	}
	if err := r.startHelper(ctx); err != nil {
		return Result{}, err
	}
	result, err := r.saveAll(ctx)
	return result, errors.Join(err, r.helper.Close())
}

// saveAll makes the snapshot, and confirms it.
func (r *run) saveAll(ctx context.Context) (Result, error) {
	if err := r.begin(ctx); err != nil {
		return Result{}, err
	}
	s, err := r.newStage(ctx)
	if err != nil {
		return Result{}, err
	}
	defer s.remove()
	after, err := r.before(ctx)
	defer after()
	if err != nil {
		return Result{}, err
	}
	saved, frozen, err := r.save(ctx, s)
	if err != nil {
		r.dropParts(ctx)
		return Result{}, err
	}
	id, at, err := r.confirm(ctx, saved)
	return Result{
		Snapshot: id, Time: at, Bytes: saved.Bytes, Added: saved.Added, Frozen: frozen.Seconds(),
		Target: r.target,
	}, err
}

// standing are the users that are to stand still.
func (r *run) standing(by string) []User {
	return slices.DeleteFunc(slices.Clone(r.plan.Users), func(u User) bool { return u.By != by })
}

// toStop are users as package volumes stops them.
func toStop(users []User) []volumes.Stop {
	var out []volumes.Stop
	for _, u := range users {
		out = append(out, volumes.Stop{ID: u.ID, Name: u.Container})
	}
	return out
}

// save makes the snapshot.
func (r *run) save(ctx context.Context, s *stage) (restic.Saved, time.Duration, error) {
	frozen, stops := r.standing(extension.BackupFreeze), r.standing(extension.BackupStop)
	if err := s.write(); err != nil {
		return restic.Saved{}, 0, err
	}
	first := restic.Saved{}
	if len(frozen)+len(stops) > 0 {
		if r.helper == nil {
			r.large, r.changed = largeFiles(r.plan.Volumes, leastLarge), map[largeFile]bool{}
		}
		var err error
		if first, err = r.pass(ctx, s, "", "saving "+r.what()+" while it runs"); err != nil {
			return first, 0, err
		}
	}
	if err := r.dump(ctx, s); err != nil {
		return first, 0, err
	}
	var err error
	if s.manifest.Facts, err = r.facts(ctx); err != nil {
		return first, 0, err
	}
	if len(frozen)+len(stops) > 0 {
		if s.manifest.Sizes, err = r.sizes(ctx, s.manifest.Sizes); err != nil {
			return first, 0, err
		}
	}
	if err := s.write(); err != nil {
		return first, 0, err
	}
	start, err := volumes.StopAll(ctx, r.engine, r.plan.Project, toStop(stops))
	if err != nil {
		return first, 0, err
	}
	started := sync.OnceValue(start)
	r.release = started
	saved, took, err := r.lastPass(ctx, s, first, frozen)
	if err := errors.Join(err, started()); err != nil {
		return saved, took, err
	}
	now, err := r.sizes(ctx, s.manifest.Sizes)
	for key, size := range s.manifest.Sizes {
		if size.Tree != now[key].Tree {
			r.moved = append(r.moved, key)
		}
	}
	return saved, took, err
}

// noOthers is an error where a container writes to the volumes that the plan does not know of: it was started
// meanwhile, by whomever, and may have written while what is saved was read.
func (r *run) noOthers(ctx context.Context) error {
	seen, err := Look(ctx, r.engine, r.model.Project)
	if err != nil {
		return err
	}
	known := map[string]string{}
	for _, u := range r.plan.Users {
		known[u.ID] = u.By
	}
	for _, c := range volumes.Running(seen.Containers) {
		if by, planned := known[c.ID]; writes(c, r.plan.Volumes) && !c.State.Paused &&
			(!planned || by == extension.BackupStop) {
			return fault.New(fault.Failed, "go tool mage backup", "%s was started while its volumes were saved: that "+
				"snapshot would not be of one moment", strings.TrimPrefix(c.Name, "/"))
		}
	}
	return nil
}

// pass makes a snapshot of all. Files that vanish meanwhile are no error: a later pass has the last word.
func (r *run) pass(ctx context.Context, s *stage, parent, what string) (saved restic.Saved, err error) {
	if err := r.put(ctx, s); err != nil {
		return saved, err
	}
	err = r.out.Step(ctx, what, func(ctx context.Context, _ func(string)) error {
		saved, err = r.target.Repository.Backup(ctx, s.source(r.plan.Volumes, parent, r.partTags()))
		if saved.ID != "" {
			r.parts = append(r.parts, saved.ID)
		}
		writers := len(r.standing(extension.BackupFreeze)) + len(r.standing(extension.BackupStop))
		if restic.Incomplete(err) && writers > 0 && saved.ID != "" {
			err = nil
		}
		return err
	})
	return saved, err
}

func (r *run) what() string {
	if n := len(r.plan.Volumes); n != 1 {
		return fmt.Sprintf("%d volumes", n)
	}
	return "the volume " + r.plan.Volumes[0].Key
}

func (r *run) partTags() []string {
	return []string{snapshots.PartTag, snapshots.ProjectTag + r.plan.Project}
}

// goodTags are those of a snapshot of the plan's volumes.
func (r *run) goodTags() []string {
	tags := []string{snapshots.GoodTag, snapshots.ProjectTag + r.plan.Project}
	for _, v := range r.plan.Volumes {
		tags = append(tags, snapshots.VolumeTag+v.Key)
	}
	for _, key := range r.moved {
		tags = append(tags, snapshots.MovedTag+key)
	}
	return tags
}

// confirm calls the snapshot a good one, and forgets the parts before it and the snapshots that are too many. It gives
// the snapshot's ID and time.
func (r *run) confirm(ctx context.Context, saved restic.Saved) (string, time.Time, error) {
	ctx = context.WithoutCancel(ctx) // it is whole: what is left is to say so
	repository := r.target.Repository
	if !r.confirmed || len(r.moved) > 0 {
		if err := repository.Retag(ctx, saved.ID, r.goodTags()); err != nil {
			return "", time.Time{}, err
		}
	}
	others := slices.DeleteFunc(r.parts, func(id string) bool { return id == saved.ID })
	if err := repository.Forget(ctx, others...); err != nil {
		r.left = true
		r.out.Warn("parts of this backup are left in the repository until the next one: %v", err)
	}
	var all []restic.Snapshot
	err := r.out.Step(ctx, "forgetting what is older than is kept", func(ctx context.Context, _ func(string)) error {
		var err error
		all, err = retain(ctx, r.target, r.model.Project)
		return err
	})
	if err == nil && len(all) == 0 { // the project keeps none by rule, and so all
		all, err = repository.Snapshots(ctx, snapshots.GoodTag, snapshots.ProjectTag+r.plan.Project)
	}
	if err != nil {
		return "", time.Time{}, err
	}
	if len(all) == 0 {
		return "", time.Time{}, fault.New(fault.Failed, "go tool mage backup -list",
			"the repository does not list the snapshot that was just made")
	}
	last := all[len(all)-1]
	return last.Short(), last.Time, nil
}

// begin removes what a run that was killed has left, and records that this one is at work.
func (r *run) begin(ctx context.Context) error {
	record := snapshots.ReadRecord(r.dir)
	if record.Unfinished {
		if err := r.forgetParts(ctx); err != nil {
			return err
		}
	}
	record.Unfinished, r.begun = true, true
	return record.Keep(r.dir)
}

// forgetParts removes what runs on this machine that were killed have left. The project's lock is held: none is at
// work.
func (r *run) forgetParts(ctx context.Context) error {
	all, err := r.target.Repository.Snapshots(ctx, r.partTags()...)
	if err != nil {
		return err
	}
	var left []string
	for _, s := range all {
		if s.Host == r.host {
			left = append(left, s.ID)
		}
	}
	return r.target.Repository.Forget(ctx, left...)
}

// dropParts removes what this run has made, as far as that goes in a short time: the next backup does it otherwise.
func (r *run) dropParts(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	r.left = r.target.Repository.Forget(ctx, r.parts...) != nil
}

// record keeps what became of the backup.
func (r *run) record(result Result, failed error) error {
	record := snapshots.ReadRecord(r.dir)
	if r.begun {
		record.Unfinished = r.left
	}
	if failed != nil {
		record.Failed, record.FailedAt = firstLine(failed), time.Now()
		return record.Keep(r.dir)
	}
	if record.Volumes == nil {
		record.Volumes = map[string]time.Time{}
	}
	for _, v := range r.plan.Volumes {
		record.Volumes[v.Name] = result.Time
	}
	record.Last, record.Snapshot, record.Repository = result.Time, result.Snapshot, r.target.Identity
	record.Failed, record.FailedAt = "", time.Time{}
	return record.Keep(r.dir)
}
