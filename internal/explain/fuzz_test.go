package explain

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
)

// FuzzPredict compares any two Dockerfiles: no panic, no reason between equal ones, and every reason on a line that is
// there.
func FuzzPredict(f *testing.F) {
	f.Add(goDockerfile, "FROM scratch\n", "build", "GO=1.27")
	f.Add("FROM a AS b\nFROM b\nCOPY --from=0 x y\n", "ARG A=b\nFROM $A\nRUN --mount=from=b,source=/,target=/x true\n",
		"", "A=c")
	f.Add("FROM a\nCOPY <<x /y\nz\nx\n", "FROM a\r\nRUN <<x\r\nz\r\nx\r\nWORKDIR /\r\nONBUILD RUN true", "0", "")
	f.Add("# escape=`\nFROM a\nADD https://x/$Y ${Y:-[} \\\nSHELL [\"a\"]\n",
		"FROM scratch\nCOPY --parents --exclude=[ [a-/./* **/ \"\" /\n", "", "TARGETARCH=x")
	files, err := filepath.Glob(filepath.Join("..", "..", "docker", "*.Dockerfile"))
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), goDockerfile, "", "GOPROXY=x")
		f.Add(goDockerfile, string(text), "", "linux/arm64")
	}
	w := newWorkspace(f, "", goFiles())
	f.Fuzz(func(t *testing.T, one, two, target, word string) {
		in := w.in
		in.Text = one
		before, err := buildinputs.Take(context.Background(), in, nil)
		if err != nil {
			return
		}
		if same, err := Predict(&before, &before); err != nil || len(same) > 0 {
			t.Fatalf("nothing changed, but:\n%s%v", text(same), err)
		}
		in.Text, in.Target, in.Platform = two, target, word
		in.Args = map[string]string{word: target}
		after, err := buildinputs.Take(context.Background(), in, &before)
		if err != nil {
			return
		}
		reasons, err := Predict(&before, &after)
		if err != nil {
			t.Fatal(err)
		}
		p, err := after.Plan()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range reasons {
			if r.Line < 0 || r.Line > len(p.Lines) || r.Why == "" {
				t.Fatalf("%+v", r)
			}
		}
	})
}
