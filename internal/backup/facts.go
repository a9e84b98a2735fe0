package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/wait"
)

const (
	// looks is how often a service is asked for its facts before it is saved: values that differ say that it is being
	// written to.
	looks = 3
	// betweenLooks is the time between two.
	betweenLooks = 200 * time.Millisecond
	// factLimit is how long one answer may take.
	factLimit = 20 * time.Second
	// mostFacts is how many values a service may have.
	mostFacts = 100
)

// FactsOf runs a command that prints facts in a container, and gives them by name.
func FactsOf(ctx context.Context, api engine.Execer, id string, command []string) (map[string]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, factLimit, fmt.Errorf("no answer within %s", factLimit))
	defer cancel()
	done, err := engine.Exec(ctx, api, id, command)
	if err != nil {
		return nil, err
	}
	if done.Code != 0 {
		return nil, fmt.Errorf("exit code %d: %s", done.Code, lastWords(done))
	}
	return parseFacts(done.Stdout)
}

// parseFacts reads lines of a name, a space and a value, which may be missing.
func parseFacts(text string) (map[string]string, error) {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		if len(out) == mostFacts {
			return nil, fmt.Errorf("its answer has more than %d lines", mostFacts)
		}
		out[name] = strings.TrimSpace(value)
	}
	if len(out) == 0 {
		return nil, errors.New("its answer is empty")
	}
	return out, nil
}

// facts asks the services for what a drill compares. A recipe's command that fails is a warning; the project's own is
// an error.
func (r *run) facts(ctx context.Context) ([]snapshots.Fact, error) {
	out := []snapshots.Fact{}
	for _, u := range slices.Concat(r.plan.Users, r.plan.Dumps) {
		asked := slices.ContainsFunc(out, func(f snapshots.Fact) bool { return f.Service == u.Service })
		if len(u.Facts) == 0 || asked {
			continue
		}
		f := snapshots.Fact{Service: u.Service, Command: u.Facts, Seen: map[string][]string{}}
		if len(extension.BackupOf(r.model.Project.Services[u.Service]).Facts) == 0 {
			f.Recipe = u.Knows
		}
		began := time.Now()
		err := r.look(ctx, u, &f)
		f.Seconds = time.Since(began).Seconds()
		switch {
		case err == nil:
			out = append(out, f)
		case ctx.Err() != nil:
			return out, ctx.Err()
		case f.Recipe != "":
			r.out.Warn("%s does not say what it holds (%s): %v; a drill will not compare that", u.Service, f.Recipe,
				err)
		default:
			return out, fmt.Errorf("saving %q: the command for its facts: %w", u.Service, err)
		}
	}
	return out, nil
}

func (r *run) look(ctx context.Context, u User, f *snapshots.Fact) error {
	for i := range looks {
		if i > 0 {
			if err := wait.For(ctx, betweenLooks); err != nil {
				return err
			}
		}
		now, err := FactsOf(ctx, r.engine, u.ID, u.Facts)
		if err != nil {
			return err
		}
		for name, value := range now {
			f.Seen[name] = append(f.Seen[name], value)
		}
	}
	return nil
}

// SizeOf counts the regular files below a directory, and their bytes. What goes meanwhile does not count.
func SizeOf(dir string) snapshots.Size {
	tally := snapshots.NewTally()
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil //nolint:nilerr // the others count
		}
		info, err := e.Info()
		if err != nil {
			return nil //nolint:nilerr // the others count
		}
		if rel, err := filepath.Rel(dir, path); err == nil {
			uid, gid := owner(info)
			tally.File(filepath.ToSlash(rel), info, uid, gid)
		}
		return nil
	})
	return tally.Size()
}
