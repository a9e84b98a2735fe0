package restic

import (
	"fmt"
	"os"
	"strings"
)

// ended says whether a process has ended, and nobody has waited for it yet.
func ended(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	line := string(text)
	rest := strings.TrimSpace(line[strings.LastIndexByte(line, ')')+1:]) // behind the program's name
	return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}
