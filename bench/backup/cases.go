package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

// measured are the runs of one tool.
type measured struct {
	name               string
	seconds, out, kept []float64 // kept is in MiB
	frozen             []float64
}

// pair runs both, the second one first in every other round.
func pair(round int, first, second func() error) error {
	if round%2 == 1 {
		first, second = second, first
	}
	if err := first(); err != nil {
		return err
	}
	return second()
}

// first compares first backups, each into a repository that it makes.
func (b *bench) first(ctx context.Context) (string, error) {
	if err := b.fresh(ctx, b.config.file, 0); err != nil {
		return "", err
	}
	ours, theirs := measured{name: "mage backup"}, measured{name: "restic init, restic backup"}
	alone := measured{name: "restic backup alone"}
	for round := range b.config.pairs {
		err := pair(round, func() error {
			if err := errors.Join(b.emptyOurs(), os.RemoveAll(b.repository("restic"))); err != nil {
				return err
			}
			b.rest(ctx)
			return ours.take(b.ours(ctx))
		}, func() error {
			if err := errors.Join(b.emptyOurs(), os.RemoveAll(b.repository("restic"))); err != nil {
				return err
			}
			b.rest(ctx)
			made, err := b.resticRun(ctx, "restic", "init", "--quiet")
			if err != nil {
				return err
			}
			if err := alone.takeSeconds(b.theirs(ctx, "restic")); err != nil {
				return err
			}
			return theirs.takeSeconds(made+alone.seconds[len(alone.seconds)-1], nil)
		})
		if err != nil {
			return "", err
		}
	}
	var t strings.Builder
	size := float64(b.config.size)
	figures.Head(&t, []string{
		fmt.Sprintf("first backup of %d MiB", b.config.size), "seconds", "MiB/s",
		"restic's seconds ÷ these",
	})
	for _, m := range []measured{ours, theirs, alone} {
		figures.Row(&t, []string{
			m.name, figures.Spread(m.seconds, ""), fmt.Sprintf("%.0f", size/figures.Median(m.seconds)),
			figures.Ratio(theirs.seconds, m.seconds),
		})
	}
	return t.String(), nil
}

// unchanged compares backups of a volume in which nothing has changed since the one before. Both go to one repository,
// which has the data once.
func (b *bench) unchanged(ctx context.Context) (string, error) {
	if err := errors.Join(b.fresh(ctx, b.config.file, 0), b.emptyOurs()); err != nil {
		return "", err
	}
	ours, theirs := measured{name: "mage backup"}, measured{name: "restic backup"}
	rig.Say("the first backups")
	if _, _, err := b.ours(ctx); err != nil {
		return "", err
	}
	if _, err := b.theirs(ctx, "ours"); err != nil {
		return "", err
	}
	for round := range b.config.pairs {
		err := pair(round, func() error {
			b.rest(ctx)
			return ours.take(b.ours(ctx))
		}, func() error {
			b.rest(ctx)
			return theirs.takeSeconds(b.theirs(ctx, "ours"))
		})
		if err != nil {
			return "", err
		}
	}
	var more []float64
	for i := range ours.seconds {
		more = append(more, ours.seconds[i]-theirs.seconds[i])
	}
	var t strings.Builder
	figures.Head(&t, []string{
		fmt.Sprintf("%d MiB of which nothing has changed", b.config.size), "seconds",
		"more than restic alone", "stood still, s",
	})
	figures.Row(&t, []string{
		ours.name, figures.Spread(ours.seconds, ""), figures.Spread(more, ""),
		figures.Spread(ours.frozen, ""),
	})
	figures.Row(&t, []string{theirs.name, figures.Spread(theirs.seconds, ""), "–", "–"})
	return t.String(), nil
}

// days makes a snapshot a day with 1 % of the data written anew between two, in both shapes, beside tar and gzip with
// the service stopped.
func (b *bench) days(ctx context.Context) (string, error) {
	var t strings.Builder
	figures.Head(&t, []string{
		fmt.Sprintf("%d days of %d MiB, 1 %% changed a day", b.config.days, b.config.size), "seconds a day",
		"seconds out of service a day", "MiB stored for all days", "MiB the first day",
	})
	for _, shape := range []string{shapeFiles, shapePages} {
		if err := errors.Join(b.fresh(ctx, b.config.file, 0), b.emptyOurs()); err != nil {
			return "", err
		}
		ours, theirs := measured{name: "mage backup"}, measured{name: "stop, tar -cz, start"}
		for day := range b.config.days {
			if day > 0 {
				if err := change(b.data, shape, 0.01, byte(100+day)); err != nil {
					return "", err
				}
			}
			b.rest(ctx)
			if err := ours.take(b.ours(ctx)); err != nil {
				return "", err
			}
			size, err := bytesBelow(b.repository("ours"))
			if err != nil {
				return "", err
			}
			ours.kept = append(ours.kept, float64(size)/(1<<20))
			b.rest(ctx)
			seconds, out, packed, err := b.tar(ctx)
			if err != nil {
				return "", err
			}
			total := float64(packed) / (1 << 20)
			if day > 0 {
				total += theirs.kept[day-1]
			}
			theirs.seconds, theirs.out = append(theirs.seconds, seconds), append(theirs.out, out)
			theirs.kept = append(theirs.kept, total)
		}
		ours.out = ours.frozen
		for _, m := range []measured{ours, theirs} {
			figures.Row(&t, []string{
				m.name + ", " + shape, figures.Spread(m.seconds, ""), figures.Spread(m.out, ""),
				fmt.Sprintf("%.0f", m.kept[len(m.kept)-1]), fmt.Sprintf("%.0f", m.kept[0]),
			})
		}
	}
	return t.String(), nil
}

// restSeconds is about how long restic reads a GiB that has changed, in which a service goes on writing.
const restSeconds = 10

// freeze measures how long a service stands still that writes 1 % of its one file anew while restic reads that, and
// whether who asks it notices.
func (b *bench) freeze(ctx context.Context) (string, error) {
	pages := max(1, int(b.config.size<<20/page/100/restSeconds))
	if err := errors.Join(b.fresh(ctx, b.config.size, pages), b.emptyOurs()); err != nil {
		return "", err
	}
	address, err := b.address(ctx)
	if err != nil {
		return "", err
	}
	if _, _, err := b.ours(ctx); err != nil {
		return "", err
	}
	m := measured{name: fmt.Sprintf("one file of %d MiB", b.config.size)}
	var asked watched
	for round := range b.config.pairs {
		if err := change(b.data, shapePages, 0.01, byte(1+round)); err != nil {
			return "", err
		}
		b.rest(ctx)
		seen, err := b.watch(ctx, []string{store}, []string{address}, func() error { return m.take(b.ours(ctx)) })
		if err != nil {
			return "", err
		}
		asked.add(seen)
	}
	return asked.table(m, "1 % changed before and 1 % meanwhile"), nil
}

// take adds a backup of ours.
func (m *measured) take(seconds, frozen float64, err error) error {
	if err != nil {
		return err
	}
	rig.Say("%s: %.2f s, stood still for %.2f s, load %s", m.name, seconds, frozen, load())
	m.seconds, m.frozen = append(m.seconds, seconds), append(m.frozen, frozen)
	return nil
}

// takeSeconds adds a run of restic's.
func (m *measured) takeSeconds(seconds float64, err error) error {
	if err != nil {
		return err
	}
	rig.Say("%s: %.2f s, load %s", m.name, seconds, load())
	m.seconds = append(m.seconds, seconds)
	return nil
}
