package container

import "fmt"

// ExitText gives an exit code and what it says by convention: that of a signal is 128 and its number.
func ExitText(code int) string {
	meaning := map[int]string{126: "can't be executed", 127: "command not found", 137: "killed", 139: "segmentation fault", 143: "terminated"}[code]
	if meaning != "" {
		return fmt.Sprintf("exit %d: %s", code, meaning)
	}
	return fmt.Sprintf("exit %d", code)
}
