package fault

import (
	"strings"

	cerrdefs "github.com/containerd/errdefs"
)

// TaskLeft says whether the engine can't start the container since its containerd, or the runtime, still has what an engine that was
// killed had started of it. The engine has a type for one of the cases only. In the others what it says has the container's whole ID:
// "task ID: already exists", "container with id exists: ID", "mkdir …/ID: file exists".
func TaskLeft(err error, id string) bool {
	if err == nil || len(id) != 64 || EngineLost(err) {
		return false
	}
	text := strings.ToLower(err.Error())
	if cerrdefs.IsConflict(err) && strings.Contains(text, "id already in use") {
		return true
	}
	for _, words := range []string{"already exists", "with id exists", "file exists"} {
		if strings.Contains(text, id) && strings.Contains(text, words) {
			return true
		}
	}
	return false
}
