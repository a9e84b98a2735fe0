package restic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// Snapshot is what a repository says of one of its snapshots.
type Snapshot struct {
	ID     string    `json:"id"`
	Time   time.Time `json:"time"` // when it was begun
	Host   string    `json:"hostname"`
	Tags   []string  `json:"tags"`
	Parent string    `json:"parent"`
}

// Has says whether the snapshot has the tag.
func (s Snapshot) Has(tag string) bool { return slices.Contains(s.Tags, tag) }

// Short is the beginning of the ID, which is enough to name the snapshot.
func (s Snapshot) Short() string { return short(s.ID) }

// Saved is what a run of backup came to.
type Saved struct {
	ID    string `json:"snapshot_id"`
	Files int64  `json:"total_files_processed"`
	Bytes int64  `json:"total_bytes_processed"`
	Added int64  `json:"data_added"` // bytes, before compression
}

// Exists says whether there is a repository at the place, and this password opens it.
func (r Repository) Exists(ctx context.Context) (bool, error) {
	err := r.run(ctx, call{what: "opening the repository", args: []string{"cat", "config"}})
	if CauseOf(err) == fault.ResticNoRepository {
		return false, nil
	}
	return err == nil, err
}

// Init makes the repository. One that is there already is an error.
func (r Repository) Init(ctx context.Context) error {
	return r.run(ctx, call{what: "making the repository", args: []string{"init"}})
}

// Source is what a snapshot is made of: paths below a directory, which the snapshot has as they are.
type Source struct {
	Dir    string
	Paths  []string
	Mounts []Mount // that restic alone sees
	Parent string  // the snapshot to compare files with; "" for the last of the same directory
	Tags   []string
	// List is the path of a list, where restic runs, of what it is not to read; "" for none.
	List string
	// Without are paths below the directory that the snapshot is not to have.
	Without []string
	// Unread is told each path that could not be read, where it is not nil.
	Unread func(path string)
	// Started is told restic's process, where it is not nil.
	Started func(pid int)
}

// message is a line of what backup prints.
type message struct {
	Type  string          `json:"message_type"`
	Item  string          `json:"item"`
	Error json.RawMessage `json:"error"`
	Saved
}

// Backup makes a snapshot. Where some files could not be read it gives the snapshot and an error that Incomplete
// knows.
func (r Repository) Backup(ctx context.Context, s Source) (Saved, error) {
	args := []string{"backup", "--json"}
	if s.Parent != "" {
		args = append(args, "--parent", s.Parent)
	}
	if s.List != "" {
		args = append(args, "--exclude-file", s.List)
	}
	if r.Elsewhere != nil {
		host, err := os.Hostname() // as restic has it here
		if err != nil {
			return Saved{}, fmt.Errorf("saving: %w", err)
		}
		args = append(args, "--host", host)
	}
	if len(s.Without) > 0 {
		dir, err := filepath.EvalSymlinks(s.Dir) // which restic takes the patterns to be below
		if err != nil {
			return Saved{}, fmt.Errorf("saving: %w", err)
		}
		for _, path := range s.Without {
			args = append(args, "--exclude", escaped(filepath.Join(dir, path)))
		}
	}
	args = append(append(args, tagList(s.Tags)...), "--")
	var saved Saved
	err := r.locked(ctx, call{
		what: "saving", args: append(args, s.Paths...), dir: s.Dir, mounts: s.Mounts, started: s.Started,
		out: &lines{each: func(line []byte) {
			var m message
			if json.Unmarshal(line, &m) == nil && m.Type == "summary" {
				saved = m.Saved
			}
		}},
		said: func(line []byte) {
			var m message
			if s.Unread != nil && json.Unmarshal(line, &m) == nil && m.Type == "error" {
				s.Unread(m.Item)
			}
		},
	})
	if err == nil && saved.ID == "" {
		err = fault.New(fault.Failed, "", "saving: restic named no snapshot")
	}
	return saved, err
}

// locked runs restic, and where a run that was killed has left a lock, once more without that one. The lock of a run
// that is at work stays, for restic knows by its process.
func (r Repository) locked(ctx context.Context, c call) error {
	err := r.run(ctx, c)
	if CauseOf(err) != fault.ResticLocked {
		return err
	}
	unlocked := r.Unlock(ctx)
	if r.Elsewhere != nil { // where restic may have been killed too
		unlocked = errors.Join(unlocked, r.UnlockElsewhere(ctx))
	}
	if unlocked != nil {
		return errors.Join(err, unlocked)
	}
	return r.run(ctx, c)
}

// mostAnswer is the most of an answer that is read, in bytes: of a hundred thousand snapshots.
const mostAnswer = 64 << 20

// Snapshots lists the snapshots that have all the tags, oldest first.
func (r Repository) Snapshots(ctx context.Context, tags ...string) ([]Snapshot, error) {
	out := &text{most: mostAnswer}
	args := []string{"snapshots", "--json", "--tag", strings.Join(tags, ",")}
	if err := r.locked(ctx, call{what: "listing the snapshots", args: args, out: out}); err != nil {
		return nil, err
	}
	var all []Snapshot
	if err := json.Unmarshal(out.Bytes(), &all); err != nil {
		return nil, fmt.Errorf("listing the snapshots: reading restic's answer: %w", err)
	}
	sortByTime(all)
	return all, nil
}

// Dump writes a file of a snapshot to out.
func (r Repository) Dump(ctx context.Context, snapshot, path string, out io.Writer) error {
	return r.locked(ctx, call{what: "reading " + path, args: []string{"dump", snapshot, path}, out: out})
}

// Read gives a file of a snapshot, of at most 64 MiB.
func (r Repository) Read(ctx context.Context, snapshot, path string) ([]byte, error) {
	out := &text{most: mostAnswer}
	err := r.Dump(ctx, snapshot, path, out)
	return out.Bytes(), err
}

// Restore writes paths of a snapshot below a directory, as they are in the snapshot, and reads what was written again
// to compare.
func (r Repository) Restore(ctx context.Context, snapshot, dir string, paths []string, mounts []Mount) error {
	args := []string{"restore", snapshot, "--target", dir, "--verify"}
	if r.Sparse() && (r.Elsewhere == nil || len(mounts) == 0) {
		args = append(args, "--sparse")
	}
	for _, p := range paths {
		args = append(args, "--include", escaped(p))
	}
	return r.locked(ctx, call{what: "restoring", args: args, mounts: mounts})
}

// escaped is a path as a pattern that only the path itself, and what is below it, matches.
func escaped(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// Retag gives a snapshot these tags in place of its own; the snapshot has another ID then.
func (r Repository) Retag(ctx context.Context, snapshot string, tags []string) error {
	return r.locked(ctx, call{
		what: "confirming the snapshot", args: []string{"tag", "--set", strings.Join(tags, ","), snapshot},
	})
}

// Forget removes snapshots by their IDs. What only they had stays until Prune.
func (r Repository) Forget(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	return r.locked(ctx, call{what: "removing snapshots", args: append([]string{"forget"}, ids...)})
}

// Keep is how many of the snapshots stay.
type Keep struct{ Last, Hourly, Daily, Weekly, Monthly int }

// Retain forgets the snapshots with all the tags that Keep does not name, and gives those that stay, oldest first. A
// Keep that names none lets all stay, and gives none.
func (r Repository) Retain(ctx context.Context, k Keep, tags ...string) ([]Snapshot, error) {
	args := []string{"forget", "--json", "--tag", strings.Join(tags, ","), "--group-by", ""}
	for _, part := range []struct {
		name  string
		count int
	}{
		{"last", k.Last}, {"hourly", k.Hourly}, {"daily", k.Daily}, {"weekly", k.Weekly}, {"monthly", k.Monthly},
	} {
		if part.count > 0 {
			args = append(args, "--keep-"+part.name, strconv.Itoa(part.count))
		}
	}
	out := &text{most: mostAnswer}
	if err := r.locked(ctx, call{what: "removing old snapshots", args: args, out: out}); err != nil {
		return nil, err
	}
	return retained(out.Bytes())
}

// retained reads what forget --json prints: the snapshots that it keeps of each group, of which there is one.
func retained(answer []byte) ([]Snapshot, error) {
	var groups []struct {
		Keep []Snapshot `json:"keep"`
	}
	if len(bytes.TrimSpace(answer)) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(answer, &groups); err != nil {
		return nil, fmt.Errorf("removing old snapshots: reading restic's answer: %w", err)
	}
	var all []Snapshot
	for _, g := range groups {
		all = append(all, g.Keep...)
	}
	sortByTime(all)
	return all, nil
}

func sortByTime(all []Snapshot) {
	slices.SortStableFunc(all, func(a, b Snapshot) int { return a.Time.Compare(b.Time) })
}

// Prune removes what no snapshot has.
func (r Repository) Prune(ctx context.Context) error {
	return r.locked(ctx, call{what: "removing what no snapshot has", args: []string{"prune"}})
}

// Check reads the repository's structure, and of the data the part that restic takes: 5%, 1/52, 100M; "" for none.
func (r Repository) Check(ctx context.Context, part string) error {
	args := []string{"check"}
	if part != "" {
		args = append(args, "--read-data-subset="+part)
	}
	err := r.locked(ctx, call{what: "checking the repository", args: args})
	var f *Failure
	if errors.As(err, &f) && f.Cause == fault.ResticOther {
		f.Cause = fault.ResticDamaged
	}
	return err
}
