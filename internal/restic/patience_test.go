package restic

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/daemon"
)

// TestRetries: the first failure is told, and one request that has failed for too long ends the run; that others fail
// now and then does not.
func TestRetries(t *testing.T) {
	now := time.Unix(0, 0)
	told := 0
	r := newRetries(5*time.Minute, func(why string) {
		told++
		if why != "refused" {
			t.Errorf("told %q", why)
		}
	})
	r.now = func() time.Time { return now }
	fails := func(what string) {
		r.line([]byte("Save(<" + what + ">) returned error, retrying after 1s: refused"))
	}
	gaveUp := func() string {
		select {
		case why := <-r.gaveUp:
			return why
		default:
			return ""
		}
	}
	for i := range 20 { // each of them once a minute, and each time another
		fails(string(rune('a' + i)))
		now = now.Add(time.Minute)
	}
	fails("z")
	now = now.Add(3 * time.Minute) // it worked meanwhile
	for range 6 {
		fails("z")
		if why := gaveUp(); why != "" {
			t.Errorf("gave up: %s", why)
		}
		now = now.Add(time.Minute)
	}
	for range 2 {
		fails("z")
	}
	if why := gaveUp(); !strings.Contains(why, "has failed for 5m0s: refused") {
		t.Errorf("did not give up: %q", why)
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	for i := range 3 * mostRequests {
		fails(strings.Repeat("x", i))
	}
	if len(r.first) > mostRequests || len(r.last) > mostRequests {
		t.Errorf("%d requests are remembered", len(r.first))
	}
}

// TestSilence: a program that waits is silent, and one that works or reads is not.
func TestSilence(t *testing.T) {
	for script, want := range map[string]bool{
		"sleep 30": true, "while :; do :; done": false, "while read -r x; do :; done </dev/zero; sleep 30": false,
	} {
		child, err := daemon.StartChild(exec.Command("bash", "-c", script))
		if err != nil {
			t.Fatal(err)
		}
		if _, known := activityOf(child.PID); !known {
			child.Kill()
			t.Skip("not on this system")
		}
		silent, stop := silence(child, 400*time.Millisecond)
		select {
		case <-silent:
			if !want {
				t.Errorf("%s is silent", script)
			}
		case <-time.After(1500 * time.Millisecond):
			if want {
				t.Errorf("%s is not silent", script)
			}
		}
		stop()
		child.KillGroup()
	}
}
