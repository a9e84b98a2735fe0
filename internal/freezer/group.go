package freezer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// group is a container's cgroup in a hierarchy that can freeze.
type group struct {
	Path string `json:"path"`
	V2   bool   `json:"v2"`
}

// file is what is written to.
func (g group) file() string {
	if g.V2 {
		return filepath.Join(g.Path, "cgroup.freeze")
	}
	return filepath.Join(g.Path, "freezer.state")
}

// words are what freezes and what thaws when it is written to the file.
func (g group) words() (freeze, thaw string) {
	if g.V2 {
		return "1", "0"
	}
	return "FROZEN", "THAWED"
}

// settles is between two looks at whether all processes are frozen.
const settles = time.Millisecond

// freeze freezes the group's processes and returns when all of them are, within the limit.
func (g group) freeze(within time.Duration) error {
	word, _ := g.words()
	for deadline := time.Now().Add(within); ; time.Sleep(settles) {
		// Again each time: version 1 may miss a process that is just being made.
		if err := os.WriteFile(g.file(), []byte(word), 0); err != nil {
			return fmt.Errorf("writing to the freezer: %w", err)
		}
		done, err := g.frozen()
		if err != nil || done {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not every process is frozen after %s", within)
		}
	}
}

// thaw lets the processes go on. A group that is gone has none.
func (g group) thaw() error {
	_, word := g.words()
	if err := os.WriteFile(g.file(), []byte(word), 0); err != nil && !g.gone() {
		return fmt.Errorf("thawing: %w", err)
	}
	return nil
}

// frozen says whether all of the group's processes are frozen.
func (g group) frozen() (bool, error) {
	if !g.V2 {
		text, err := os.ReadFile(g.file())
		return strings.TrimSpace(string(text)) == "FROZEN", err
	}
	text, err := os.ReadFile(filepath.Join(g.Path, "cgroup.events"))
	return slices.Contains(strings.Split(string(text), "\n"), "frozen 1"), err
}

// held says whether the group was told to freeze, whether or not all of its processes are.
func (g group) held() (bool, error) {
	text, err := os.ReadFile(g.file())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	_, thawed := g.words()
	return err == nil && strings.TrimSpace(string(text)) != thawed, err
}

func (g group) gone() bool {
	_, err := os.Stat(g.Path)
	return errors.Is(err, fs.ErrNotExist)
}

// writable returns an error where the group's file can't be written to.
func (g group) writable() error {
	f, err := os.OpenFile(g.file(), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// find looks for the container's group in the hierarchies that are mounted here. The process's number would not do:
// an engine may have a PID namespace of its own.
func find(container string) (group, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return group{}, err
	}
	for _, root := range hierarchies(string(table)) {
		if path := below(root.Path, container); path != "" {
			return group{Path: path, V2: root.V2}, nil
		}
	}
	return group{}, errors.New("no cgroup on this machine is the container's")
}

// hierarchies lists the mounted cgroup hierarchies that can freeze, by a table of proc_pid_mountinfo(5). Where there
// are both kinds, the engine freezes by version 1.
func hierarchies(table string) []group {
	var v1, v2 []group
	for line := range strings.Lines(table) {
		mount, super, _ := strings.Cut(line, " - ")
		m, s := strings.Fields(mount), strings.Fields(super)
		if len(m) < 5 || len(s) < 3 {
			continue
		}
		path := strings.ReplaceAll(m[4], `\040`, " ")
		switch {
		case s[0] == "cgroup" && slices.Contains(strings.Split(s[2], ","), "freezer"):
			v1 = append(v1, group{Path: path})
		case s[0] == "cgroup2":
			v2 = append(v2, group{Path: path, V2: true})
		}
	}
	return append(v1, v2...)
}

// below gives the container's directory in the hierarchy; "" where it has none. Its ID is the name with the driver
// cgroupfs, and in the name with systemd.
func below(root, container string) string {
	found := ""
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // others' groups come and go meanwhile
		}
		if name := d.Name(); name == container || name == "docker-"+container+".scope" {
			found = path
			return fs.SkipAll
		}
		return nil
	})
	return found
}
