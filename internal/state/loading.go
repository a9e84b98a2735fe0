package state

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// loadWait is how long a build waits for who has said that he does something that a load would disturb.
const loadWait = 30 * time.Second

// Loading says that images of the project are being loaded into the engine, until end is called: several builds may say
// so at a time. It waits a moment for one who has NotLoading. That it could not be said is no reason not to load.
func Loading(ctx context.Context, project string) (end func()) {
	l, ok := loads(project)
	if !ok {
		return func() {}
	}
	ctx, cancel := context.WithTimeout(ctx, loadWait)
	defer cancel()
	if got, err := l.TryRLockContext(ctx, askEvery); err != nil || !got {
		return func() {}
	}
	return func() { _ = l.Unlock() }
}

// NotLoading keeps builds from loading images of the project until release is called; nil where one is loading some.
func NotLoading(project string) (release func()) {
	l, ok := loads(project)
	if !ok {
		return nil
	}
	if got, err := l.TryLock(); err != nil || !got {
		return nil
	}
	return func() { _ = l.Unlock() }
}

func loads(project string) (*flock.Flock, bool) {
	dir, err := projectDir(project)
	if err != nil {
		return nil, false
	}
	path := filepath.Join(dir, "loading")
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, false
	}
	return flock.New(path, flock.SetPermissions(0o600)), true
}
