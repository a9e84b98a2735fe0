package restic

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Reads says whether a process has a file open below one of the mounts that it alone sees.
func Reads(pid int, mounts []Mount) (bool, error) {
	dir := fmt.Sprintf("/proc/%d", pid)
	table, err := os.ReadFile(filepath.Join(dir, "mountinfo"))
	if err != nil {
		return false, fmt.Errorf("looking at what restic reads: %w", err)
	}
	var dirs []string
	for _, m := range mounts {
		dir, err := filepath.EvalSymlinks(m.To)
		if err != nil {
			return false, fmt.Errorf("looking at what restic reads: %w", err)
		}
		dirs = append(dirs, dir)
	}
	numbers := mountNumbers(string(table), dirs)
	if len(numbers) != len(dirs) {
		return false, errors.New("looking at what restic reads: it does not see the volumes")
	}
	open, err := os.ReadDir(filepath.Join(dir, "fdinfo"))
	if err != nil {
		return false, fmt.Errorf("looking at what restic reads: %w", err)
	}
	for _, one := range open {
		text, err := os.ReadFile(filepath.Join(dir, "fdinfo", one.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // closed meanwhile
		}
		if err != nil {
			return false, fmt.Errorf("looking at what restic reads: %w", err)
		}
		if slices.Contains(numbers, fieldOf(string(text), "mnt_id:")) {
			return true, nil
		}
	}
	return false, nil
}

// mountNumbers are those of what is mounted at the directories, by a table of mounts (proc_pid_mountinfo(5)).
func mountNumbers(table string, dirs []string) (out []string) {
	space := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > 4 && slices.Contains(dirs, space.Replace(f[4])) {
			out = append(out, f[0])
		}
	}
	return out
}

// fieldOf is what follows a name at the beginning of a line.
func fieldOf(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
