package running

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/logerrors"
	"github.com/25eloquence/compose-mage/internal/logstream"
)

// lastLines is how much of each log is read.
const lastLines = "200"

// trouble is what a line of a log says of the machine, whatever program wrote it.
type trouble struct {
	check.Rule
	says          *regexp.Regexp
	remedy, cause string
}

func logRule(id, title string) check.Rule {
	return check.Rule{
		ID: id, Title: title, Where: check.Logs, Worst: finding.Warning, Basis: "errno(3): the kernel's words",
	}
}

var troubles = []trouble{
	{
		logRule("logs.no-space", "a program found no space left"),
		regexp.MustCompile(`(?i)no space left on device|ENOSPC`),
		"go tool mage cleanup", "a disk, a tmpfs or a quota is full, or was",
	},
	{
		logRule("logs.open-files", "a program could open no more files"),
		regexp.MustCompile(`(?i)too many open files|EMFILE`), "ulimits.nofile in the Compose file",
		"its limit of open files is too low, or it does not close them",
	},
	{
		logRule("logs.no-memory", "a program got no memory"),
		regexp.MustCompile(`(?i)cannot allocate memory|ENOMEM|java\.lang\.OutOfMemoryError`),
		"a higher memory limit, or go tool mage fit -measured", "its memory limit, or a limit of its own, was reached",
	},
	{
		logRule("logs.no-threads", "a program could start no more threads"),
		regexp.MustCompile(`(?i)unable to create (new )?(native )?thread|pthread_create failed|` +
			`fork: (retry: )?resource temporarily unavailable`),
		"a higher pids limit in the Compose file", "its limit of processes and threads was reached",
	},
	{
		logRule("logs.exec-format", "a program for another machine"), regexp.MustCompile(`exec format error`),
		"build or pull the image for this machine's platform", "the kernel can't run the program's format",
	},
}

var logsCheck = check.Check[*subject.Subject]{
	Rules: func() (all []check.Rule) {
		for _, t := range troubles {
			all = append(all, t.Rule)
		}
		return all
	}(),
	Look: func(ctx context.Context, s *subject.Subject) ([]check.Finding, error) {
		if err := s.Running(ctx); err != nil {
			return nil, err
		}
		all, err := s.Containers(ctx)
		if err != nil {
			return nil, err
		}
		var (
			mu   sync.Mutex
			out  []check.Finding
			errs []error
			wait sync.WaitGroup
		)
		look{Containers: all}.each(func(service string, c container.Replica) {
			wait.Go(func() {
				lines, err := tail(ctx, s, c)
				mu.Lock()
				defer mu.Unlock()
				out = append(out, said(service, c.Name(), lines)...)
				if err != nil {
					errs = append(errs, fmt.Errorf("the log of %s: %w", c.Name(), err))
				}
			})
		})
		wait.Wait()
		return out, errors.Join(errs...)
	},
}

// tail reads the last lines that a container has logged since it was started last, or that it left when it ended.
func tail(ctx context.Context, s *subject.Subject, c container.Replica) (lines []string, err error) {
	logs, err := s.Engine.ContainerLogs(ctx, c.ID, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: lastLines, Since: c.State.StartedAt,
	})
	if err != nil {
		return nil, err
	}
	return lines, logstream.Lines(logs, c.Config.Tty, func(line string) { lines = append(lines, line) })
}

// mostShown is how many kinds of lines a finding shows.
const mostShown = 3

// kinds gives the last line of each kind, the most frequent first, after how many there are of it: 47× disk full. Lines
// of a kind differ in numbers and names alone.
func kinds(lines []string) (out []string) {
	var all []string
	count, last := map[string]int{}, map[string]string{}
	for _, line := range lines {
		kind := logerrors.TemplateOf(line)
		if count[kind] == 0 {
			all = append(all, kind)
		}
		count[kind]++
		last[kind] = line
	}
	slices.SortStableFunc(all, func(a, b string) int { return count[b] - count[a] })
	for _, kind := range all[:min(mostShown, len(all))] {
		line := last[kind]
		if count[kind] > 1 {
			line = fmt.Sprintf("%d× %s", count[kind], line)
		}
		out = append(out, line)
	}
	return out
}

// said finds the troubles that lines of a log tell of.
func said(service, name string, lines []string) []check.Finding {
	var out []check.Finding
	for _, t := range troubles {
		var matching []string
		for _, line := range lines {
			if t.says.MatchString(line) {
				matching = append(matching, line)
			}
		}
		n := len(matching)
		if n == 0 {
			continue
		}
		f := check.Warn(t.ID, t.remedy+"; go tool mage logs "+fault.Quote(service),
			"%d of the last %d lines of its log say so", n, len(lines)).Of(service).In(name).Because("%s", t.cause)
		f.Lines = kinds(matching)
		out = append(out, f)
	}
	return out
}
