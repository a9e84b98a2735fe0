package running

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/ui"
)

var inodesCheck = check.Check[*subject.Subject]{
	Rules: []check.Rule{ruleOf("disk.inodes", "few files can be made on the engine's disk", check.Kernel,
		finding.Warning,
		"no space left on device is the error of that too")},
	Look: func(_ context.Context, s *subject.Subject) ([]check.Finding, error) {
		if err := s.Local(); err != nil {
			return nil, err
		}
		root := s.Engine.Info.DockerRootDir
		free, total, err := diskspace.Inodes(root)
		if err != nil {
			return nil, check.NotSeen("%v", err)
		}
		return inodes(root, free, total), nil
	},
}

// inodes judges how many files can still be made.
func inodes(root string, free, total int64) []check.Finding {
	if total == 0 || free*100 >= total*fewPercent { // a file system that makes them as it needs them says 0
		return nil
	}
	return []check.Finding{
		check.Warn("disk.inodes", "go tool mage cleanup", "%d of %d inodes are free on the disk of %s", free, total,
			root).
			Because("many small files, as in images and build caches, use them up before the bytes"),
	}
}

var tmpfsCheck = check.Check[*subject.Subject]{
	Rules: []check.Rule{ruleOf("disk.tmpfs", "a container's tmpfs is nearly full", check.Kernel, finding.Warning,
		"no space left on device comes next")},
	Look: func(ctx context.Context, s *subject.Subject) ([]check.Finding, error) {
		if err := s.Local(); err != nil {
			return nil, err
		}
		if err := s.Running(ctx); err != nil {
			return nil, err
		}
		l, err := newLook(ctx, s)
		if err != nil {
			return nil, err
		}
		var out []check.Finding
		hidden := ""
		l.each(func(service string, c container.Replica) {
			for _, target := range tmpfsOf(c) {
				space, err := diskspace.Of(path.Join("/proc", fmt.Sprint(c.State.Pid), "root", target))
				if err != nil {
					hidden = fmt.Sprintf("the tmpfs at %s of %s can't be looked at: %v", target, c.Name(), err)
					continue
				}
				out = append(out, tmpfs(service, c.Name(), target, space)...)
			}
		})
		if hidden != "" {
			return out, check.NotSeen("%s", hidden)
		}
		return out, nil
	},
}

// tmpfsOf gives where a running container has a tmpfs of its own.
func tmpfsOf(c container.Replica) []string {
	if !c.Runs() || c.State.Pid == 0 || c.HostConfig == nil {
		return nil
	}
	var all []string
	for target := range c.HostConfig.Tmpfs {
		all = append(all, target)
	}
	for _, m := range c.Mounts {
		if m.Type == "tmpfs" {
			all = append(all, m.Destination)
		}
	}
	if !c.HostConfig.IpcMode.IsHost() && !c.HostConfig.IpcMode.IsContainer() && !c.HostConfig.IpcMode.IsNone() {
		all = append(all, "/dev/shm")
	}
	return all
}

func tmpfs(service, name, target string, space diskspace.Space) []check.Finding {
	if space.FreePercent() >= fewPercent || space.Total == 0 {
		return nil
	}
	remedy := "tmpfs: " + fault.Quote(target+":size=…") + " of " + fault.Quote(service)
	if target == "/dev/shm" {
		remedy = "shm_size of " + fault.Quote(service)
	}
	return []check.Finding{check.Warn("disk.tmpfs", remedy, "%s of %s are free in the tmpfs at %s",
		ui.Bytes(space.Free), ui.Bytes(space.Total), target).Of(service).In(name).
		Because("writing there fails when it is full, though the disk is not")}
}

func firstOf(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return first
}
