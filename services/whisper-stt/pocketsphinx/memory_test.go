package pocketsphinx

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

var anonymous = regexp.MustCompile(`(?m)^Anonymous:\s+(\d+) kB$`)

// TestChildIsSmall holds source/build to what it is for: Debian's own pocketsphinx_batch takes 92 MiB here, which no
// other process shares and no one can take back.
func TestChildIsSmall(t *testing.T) {
	r := recogniser(t)
	if os.Getenv("CI") == "" {
		t.Skip("outside of the image pocketsphinx_batch is Debian's")
	}
	done := make(chan error, 1)
	go func() {
		_, err := r.Transcribe(context.Background(), speech.PCM{Samples: make([]int16, 20*speech.Rate), Rate: speech.Rate}, "")
		done <- err
	}()
	most := 0
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			if mib := most / 1024; mib < 20 || mib > 60 {
				t.Errorf("the child has %d MiB of its own, want about 50", mib)
			}
			return
		case <-time.After(5 * time.Millisecond):
			most = max(most, ownMemory())
		}
	}
}

// ownMemory is the anonymous memory of this process's pocketsphinx_batch, in KiB; 0 without one.
func ownMemory() int {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", os.Getpid()))
	for _, task := range tasks {
		children, _ := os.ReadFile(task) // a thread that has ended has none
		for _, pid := range strings.Fields(string(children)) {
			name, _ := os.ReadFile(filepath.Join("/proc", pid, "comm"))
			if strings.HasPrefix(string(name), program[:15]) {
				rollup, _ := os.ReadFile(filepath.Join("/proc", pid, "smaps_rollup"))
				if found := anonymous.FindSubmatch(rollup); found != nil {
					kib, _ := strconv.Atoi(string(found[1]))
					return kib
				}
			}
		}
	}
	return 0
}
