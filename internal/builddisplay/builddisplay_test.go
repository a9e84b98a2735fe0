package builddisplay

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

const hostile = "a\x1b]0;owned\x07\x1b[2J\n#1 DONE\b\x7f\u009b\x9b\u202e\u2028"

func status() *client.SolveStatus {
	now, step := time.Now(), digest.FromString("step")
	return &client.SolveStatus{
		Vertexes: []*client.Vertex{{
			Digest: step, Name: "[app 1/2] RUN " + hostile, Started: &now, Completed: &now,
			Error: hostile, ProgressGroup: &pb.ProgressGroup{Id: "g", Name: hostile},
		}},
		Statuses: []*client.VertexStatus{{ID: hostile, Name: hostile, Vertex: step, Started: &now, Timestamp: now}},
		Logs: []*client.VertexLog{{
			Vertex: step, Data: []byte("10 %\r20 %\x1b[32mgreen\x1b[0m\t" + hostile + "\n"),
			Timestamp: now,
		}},
		Warnings: []*client.VertexWarning{{
			Vertex: step, Short: []byte(hostile), Detail: [][]byte{[]byte(hostile)},
			URL: hostile,
		}},
	}
}

func TestBuildOutputIsNotObeyed(t *testing.T) {
	for _, mode := range []string{"plain", "auto", "rawjson"} {
		var b bytes.Buffer
		d, err := New(&b, mode, false)
		if err != nil {
			t.Fatal(err)
		}
		d.Source().Show(status())
		d.Close()
		for _, r := range b.String() {
			if r != '\n' && !printable.Safe(r) {
				t.Errorf("%s: a terminal would obey %U in %q", mode, r, b.String())
			}
		}
		if mode == "rawjson" {
			var got client.SolveStatus
			if err := json.NewDecoder(&b).Decode(&got); err != nil ||
				!strings.Contains(string(got.Logs[0].Data), hostile) {
				t.Errorf("rawjson is not what BuildKit said: %v", err)
			}
		} else if !strings.Contains(b.String(), "20 %green    a") {
			t.Errorf("%s: the step's output is lost:\n%s", mode, b.String())
		}
	}
}

func TestCharactersAcrossPiecesStayWhole(t *testing.T) {
	var o output
	var got []byte
	for _, c := range []byte("é日👍\n") {
		got = append(got, o.clean([]byte{c})...)
	}
	if string(got) != "é日👍\n" {
		t.Errorf("got %q", got)
	}
}

// TestEndlessOutput guards against a step that prints until no memory is left: BuildKit's displays keep each line, and
// one without an end for ever.
func TestEndlessOutput(t *testing.T) {
	var o output
	piece := bytes.Repeat([]byte("x"), 64<<10)
	shown, longest, at := 0, 0, 0
	for range 4 * maxOutput / len(piece) {
		got := o.clean(piece)
		shown += len(got)
		for _, c := range got {
			if at++; c == '\n' {
				longest, at = max(longest, at), 0
			}
		}
	}
	if shown > maxOutput+maxOutput/1000 || longest > maxLine+1 {
		t.Errorf("%d bytes are shown, the longest line has %d", shown, longest)
	}
}

func TestCheck(t *testing.T) {
	for _, mode := range []string{"auto", "plain", "tty", "quiet", "rawjson"} {
		if err := Check(mode); err != nil {
			t.Error(err)
		}
	}
	var f *fault.Error
	if err := Check("loud"); !errors.As(err, &f) || f.Code != fault.Usage {
		t.Errorf("got %v", err)
	}
}
