package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

// imageBefore builds the service of the revision that -images names, unless the engine has it, and gives its name.
func (b *bench) imageBefore(ctx context.Context, service string) (string, error) {
	out, err := b.run(ctx, "git", "rev-parse", "--short=12", "--verify", b.config.images+"^{commit}")
	if err != nil {
		return "", err
	}
	tag := "before-" + strings.TrimSpace(string(out))
	name := project + "/" + service + ":" + tag
	if _, err := b.run(ctx, "docker", "image", "inspect", name); err == nil {
		return name, nil
	}
	rig.Say("building %s of %s", service, b.config.images)
	tree := filepath.Join(b.work, "before")
	if _, err := b.run(ctx, "git", "worktree", "add", "--detach", tree, b.config.images); err != nil {
		return "", err
	}
	defer func() { _, _ = b.run(context.WithoutCancel(ctx), "git", "worktree", "remove", "--force", tree) }()
	cmd := exec.CommandContext(ctx, b.mage, "build", service)
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "IMAGE_PREFIX="+project, "IMAGE_TAG="+tag, "CACHE_WRITE=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s of %s: %w: %s", service, b.config.images, err, figures.LastWords(out))
	}
	return name, nil
}
