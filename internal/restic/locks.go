package restic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// lock is what restic writes of a run that is at work.
type lock struct {
	id   string
	Host string `json:"hostname"`
	PID  int    `json:"pid"`
}

// Unlock removes locks of runs that are no more.
func (r Repository) Unlock(ctx context.Context) error {
	if err := r.run(ctx, call{what: "removing stale locks", args: []string{"unlock"}}); err != nil {
		return err
	}
	return r.removeEnded(ctx)
}

// removeEnded removes the locks of runs on this machine that have ended, and that nobody has waited for: restic takes
// such a process for one that lives.
func (r Repository) removeEnded(ctx context.Context) error {
	all, err := r.locks(ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("removing stale locks: %w", err)
	}
	remove, every := endedOf(all, host, ended)
	switch {
	case len(remove) == 0:
		return nil
	case IsLocal(r.Location):
		for _, l := range remove {
			err := os.Remove(filepath.Join(strings.TrimPrefix(r.Location, "local:"), "locks", l.id))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("removing stale locks: %w", err)
			}
		}
		return nil
	case every: // a single one can't be removed by restic
		return r.run(ctx, call{what: "removing stale locks", args: []string{"unlock", "--remove-all"}})
	}
	return nil
}

// endedOf are the locks whose process on this machine has ended; every says that there are no others.
func endedOf(all []lock, host string, ended func(pid int) bool) (out []lock, every bool) {
	for _, l := range all {
		if l.Host == host && ended(l.PID) {
			out = append(out, l)
		}
	}
	return out, len(out) == len(all)
}

// locks are those that the repository has.
func (r Repository) locks(ctx context.Context) ([]lock, error) {
	out := &text{most: mostAnswer}
	err := r.run(ctx, call{what: "listing the locks", args: []string{"list", "locks", "--no-lock"}, out: out})
	if err != nil {
		return nil, err
	}
	var all []lock
	for _, id := range strings.Fields(out.String()) {
		said := &text{most: mostLine}
		args := []string{"cat", "lock", id, "--no-lock"}
		if r.run(ctx, call{what: "reading a lock", args: args, out: said}) != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			all = append(all, lock{id: id}) // gone meanwhile, or nobody's that is known
			continue
		}
		l := lock{id: id}
		if err := json.Unmarshal(said.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("reading a lock: %w", err)
		}
		all = append(all, l)
	}
	return all, nil
}
