package readiness

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestLearnedNarrowsDown(t *testing.T) {
	const ms = time.Millisecond
	var l Learned
	if l.Knows() {
		t.Fatal("knows something before anything was seen")
	}
	l.passed(400*ms, 1200*ms)
	if due := l.due(); due <= 400*ms || due >= 1200*ms {
		t.Errorf("due after %s, between 400 and 1200 ms nothing is known", due)
	}
	for _, c := range []struct{ failed, now, want time.Duration }{
		{700 * ms, 800 * ms, 200 * ms},          // halfway to 1200
		{1050 * ms, 1130 * ms, 70 * ms},         // till then
		{1190 * ms, 1270 * ms, 1 * ms},          // it was ready by now
		{1200 * ms, 1280 * ms, 64 * ms},         // slower than ever
		{800 * ms, 30 * time.Second, 1500 * ms}, // it hung
		{90 * time.Second, 90 * time.Second, 2 * time.Second},
	} {
		if got := l.pause(c.failed, c.now); got != c.want {
			t.Errorf("after a probe at %s that failed by %s: rests %s, want %s", c.failed, c.now, got, c.want)
		}
	}
	l.passed(900*ms, 1100*ms)
	l.passed(1020*ms, 1050*ms)
	if due := l.due(); due != 1050*ms {
		t.Errorf("due after %s, seen ready after 1050 ms", due)
	}
	l.passed(3000*ms, 3200*ms) // slower than ever: what was known is wrong
	if due := l.due(); due < 3000*ms {
		t.Errorf("due after %s, seen not ready after 3000 ms", due)
	}
	l.passed(0, 200*ms)
	if due := l.due(); due > 200*ms {
		t.Errorf("due after %s, seen ready after 200 ms", due)
	}
}

func TestMemoryIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "starts", "shop.json")
	m := Recall(path)
	m.Of("web").passed(time.Second, 2*time.Second)
	m.NoShell = []string{"sha256:1"}
	m.Keep()
	again := Recall(path)
	if !again.Of("web").Knows() || again.Of("db").Knows() || len(again.NoShell) != 1 {
		t.Errorf("read %+v", again)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if Recall(path).Of("web").Knows() {
		t.Error("a damaged memory counts")
	}
}
