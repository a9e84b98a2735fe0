package edit

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestIgnore(t *testing.T) {
	for _, c := range []struct{ before, want string }{
		{"", ".git\nnode_modules\n"},
		{".git\n# x", ".git\n# x\nnode_modules\n"},
		{" node_modules\r\n.git\r\n", " node_modules\r\n.git\r\n"},
		{"a\r\n", "a\r\n.git\r\nnode_modules\r\n"},
	} {
		if got := string(Ignore([]byte(c.before), []string{".git", "node_modules"})); got != c.want {
			t.Errorf("%q: got %q, want %q", c.before, got, c.want)
		}
	}
}

func TestDiff(t *testing.T) {
	before := "a\nb\nc\nd\ne\nf\ng\nh\nh\ni\nj\nk\nl"
	after := "a\nb\nc\nd\ne\nE\nf\ng\nh\nh\ni\nj\nk\nL\nm"
	want := `--- x
+++ x
@@ -3,6 +3,7 @@
 c
 d
 e
+E
 f
 g
 h
@@ -10,4 +11,5 @@
 i
 j
 k
-l
\ No newline at end of file
+L
+m
\ No newline at end of file`
	if got := strings.Join(Diff("x", []byte(before), []byte(after)), "\n"); got != want {
		t.Errorf("got\n%s", got)
	}
	if got := Diff("x", []byte(before), []byte(before)); got != nil {
		t.Errorf("got %q", got)
	}
}

// A diff is one that patch(1) takes, and gives the second text of the first.
func TestPatchTakesDiffs(t *testing.T) {
	program, err := exec.LookPath("patch")
	if err != nil {
		t.Skip("no patch(1) here")
	}
	r := rand.New(rand.NewPCG(1, 2))
	text := func() []string {
		var out []string
		for range r.IntN(30) {
			out = append(out, string(rune('a'+r.IntN(4))))
		}
		return out
	}
	for range 40 {
		old := text()
		var now []string
		for _, l := range old {
			switch r.IntN(6) {
			case 0:
			case 1:
				now = append(now, "x", l)
			default:
				now = append(now, l)
			}
		}
		before, after := strings.Join(old, "\n"), strings.Join(now, "\n")+"\n"
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		diff := Diff("f", []byte(before), []byte(after))
		if len(diff) == 0 {
			continue
		}
		patch := exec.CommandContext(t.Context(), program, "--quiet", file)
		patch.Stdin = strings.NewReader(strings.Join(diff, "\n") + "\n")
		if out, err := patch.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s\n%s", err, out, strings.Join(diff, "\n"))
		}
		if got, err := os.ReadFile(file); err != nil && len(after) > 0 || !bytes.Equal(got, []byte(after)) {
			t.Fatalf("got %q, want %q", got, after)
		}
	}
}
