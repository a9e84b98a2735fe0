package fault

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
)

func TestTaskLeft(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for text, want := range map[string]bool{
		"Error response from daemon: task " + id + ": already exists":                                           true,
		"failed to create task for container: task " + id + " already exists: unknown":                          true,
		"OCI runtime create failed: container with id exists: " + id + ": unknown":                              true,
		"mkdir /run/containerd/io.containerd.runtime.v2.task/moby/" + id + ": file exists":                      true,
		"task " + strings.Repeat("f", 64) + ": already exists":                                                  false,
		"open /var/lib/docker/containers/" + id + "/hostname: no such file or directory":                        false,
		`exec: "already exists": executable file not found in $PATH`:                                            false,
		`Conflict. The container name "/x" is already in use by container "` + id + `". You have to remove it.`: false,
	} {
		if got := TaskLeft(errors.New(text), id); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if !TaskLeft(fmt.Errorf("id already in use: %w", cerrdefs.ErrConflict), id) {
		t.Error("the type that the engine has for it does not count")
	}
	if TaskLeft(nil, id) {
		t.Error("no error counts")
	}
}
