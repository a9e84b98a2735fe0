// Package freezer freezes a container's processes for a moment without the engine's pause, which would end the
// container's health monitor. The engine does not know of it, so each freeze is written down in the state directory
// first, and ended by a second process whatever becomes of this one. The package owns those records and the freezer's
// files of a cgroup; whom to freeze, when and for how long is its callers' to say.
package freezer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/25eloquence/compose-mage/internal/state"
)

// Freeze is a container that is frozen.
type Freeze struct {
	group  group
	record string
	thawer *thawer
}

// Begin freezes the processes of the container, an ID, until End is called, at most for limit. It is an error where
// they can't be frozen: the container's cgroup is not on this machine or not ours to write to, as for a remote
// engine, in a virtual machine, or for who is not root. Then nothing is frozen.
func Begin(container string, limit time.Duration) (*Freeze, error) {
	fail := func(err error) (*Freeze, error) {
		return nil, fmt.Errorf("freezing the container %.12s: %w", container, err)
	}
	g, err := find(container)
	if err != nil {
		return fail(err)
	}
	if err := g.writable(); err != nil {
		return fail(err)
	}
	dir, err := directory()
	if err != nil {
		return fail(err)
	}
	if err := state.MakeDir(dir); err != nil {
		return fail(err)
	}
	f := &Freeze{group: g, record: filepath.Join(dir, container+".json")}
	// The second process is there before anything is frozen, and the record too: a kill at any moment leaves one that
	// thaws.
	if f.thawer, err = startThawer(g, f.record, limit); err != nil {
		return fail(err)
	}
	if err = f.write(container, limit); err == nil {
		err = g.freeze(limit / 2)
	}
	if err != nil {
		_ = f.End() // the first error says more
		return fail(err)
	}
	return f, nil
}

// write makes the record of who is frozen, by whom, and for how long.
func (f *Freeze) write(container string, limit time.Duration) error {
	text, err := json.Marshal(record{
		Container: container, Group: f.group, Until: time.Now().Add(limit), Boot: boot(), Owner: self(),
		Thawer: f.thawer.process,
	})
	if err != nil {
		return fmt.Errorf("encoding the record: %w", err)
	}
	return state.WriteFile(f.record, text, 0o600)
}

// End thaws the processes. Where that is an error, the second process is still there to do it.
func (f *Freeze) End() error {
	if err := f.group.thaw(); err != nil {
		return err
	}
	f.thawer.stop()
	if err := os.Remove(f.record); err != nil && !os.IsNotExist(err) { // the second process may have been first
		return fmt.Errorf("removing the record of a freeze: %w", err)
	}
	return nil
}

// directory is where the records are.
func directory() (string, error) {
	dir, err := state.Dir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "frozen"), nil
}
