package explain

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
)

// TestReads says for one instruction of a Dockerfile and one changed file whether the step takes it.
func TestReads(t *testing.T) {
	const changed, untouched = true, false
	for _, c := range []struct {
		line string
		file string
		want bool
	}{
		{"COPY . /", "a/b/c.txt", changed},
		{"COPY / /", "a/b/c.txt", changed},
		{"COPY ./a /", "a/b/c.txt", changed},
		{"COPY a/ /", "ab/c.txt", untouched},
		{"COPY a/b/c.txt /", "a/b/c.txt", changed},
		{"COPY a/b/c.txt /", "a/b/d.txt", untouched},
		{"COPY a/../ab /", "ab/c.txt", changed},
		{"COPY *.go /", "main.go", changed},
		{"COPY *.go /", "a/x.go", untouched},
		{"COPY a/* /", "a/b/c.txt", changed},
		{"COPY a/*/*.txt /", "a/b/c.txt", changed},
		{"COPY a/*/*.txt /", "a/b/c/d.txt", untouched},
		{"COPY m??n.go /", "main.go", changed},
		{"COPY [mn]ain.go /", "main.go", changed},
		{`COPY ["a/b", "/x y/"]`, "a/b/c.txt", changed},
		{"COPY --exclude=**/*.txt a /", "a/b/c.txt", untouched},
		{"COPY --exclude=**/*.txt a /", "a/b/c.go", changed},
		{"COPY --exclude=*.txt a/b/c.txt /", "a/b/c.txt", changed},
		{"COPY --parents a/b/*.txt /", "a/b/c.txt", changed},
		{"COPY --parents a/**/*.txt /", "a/b/c.go", untouched},
		{"COPY --parents ./a/./b/c.txt /", "a/b/c.txt", changed},
		{"ADD a /", "a/b/c.txt", changed},
		{"ADD https://example.com/x /a/b/", "a/b/c.txt", untouched},
		{"ADD https://example.com/r.git#main /a/b/", "a/b/c.txt", untouched},
		{"COPY <<end /x\na/b/c.txt\nend", "a/b/c.txt", untouched},
		{"COPY --from=other a /", "a/b/c.txt", untouched},
		{"COPY --from=example.com/image a /", "a/b/c.txt", untouched},
		{"RUN --mount=type=bind,source=a,target=/a true", "a/b/c.txt", changed},
		{"RUN --mount=target=/a true", "a/b/c.txt", changed},
		{"RUN --mount=type=bind,from=other,source=a,target=/a true", "a/b/c.txt", untouched},
		{"RUN --mount=type=cache,source=a,target=/a true", "a/b/c.txt", untouched},
		{"RUN --mount=type=bind,source=$DIR,target=/a true", "a/b/c.txt", changed},
		{"RUN cat a/b/c.txt", "a/b/c.txt", untouched},
		{"COPY $DIR/b /", "a/b/c.txt", changed},
		{"COPY ${DIR}b /", "ab/c.txt", changed},
		{"COPY ${DIR}b /", "a/b/c.txt", untouched},
		{"COPY ${UNKNOWN}/b /", "a/b/c.txt", changed},
		{"COPY link/c.txt /", "a/b/c.txt", changed},
		{"COPY link /", "a/b/c.txt", changed},
		{"COPY l*k /", "a/b/c.txt", changed},
		{"COPY deep/up/ab /", "ab/c.txt", changed},
		{"COPY loop/x /", "a/b/c.txt", untouched},
		{"ONBUILD COPY a /", "a/b/c.txt", untouched},
	} {
		t.Run(c.line+" "+c.file, func(t *testing.T) {
			w := newWorkspace(t, "FROM scratch AS other\nCOPY zz /\nFROM base\nARG DIR=a\n"+c.line+"\n",
				map[string]string{
					"main.go": "1", "a/x.go": "1", "a/b/c.txt": "1", "a/b/c.go": "1", "a/b/d.txt": "1",
					"a/b/e/d.txt": "1", "ab/c.txt": "1", "zz": "1",
					"deep/z": "1",
				})
			w.now = w.now.Add(1)
			for name, target := range map[string]string{"link": "a/b", "deep/up": "..", "loop": "loop"} {
				if err := os.Symlink(target, w.path(name)); err != nil {
					t.Fatal(err)
				}
			}
			before := w.take(nil)
			w.write(c.file, "2")
			reasons, err := Predict(before, w.take(before))
			if err != nil {
				t.Fatal(err)
			}
			got := text(reasons)
			if !c.want && got != "" || c.want &&
				(!strings.HasPrefix(got, "5 ") || !strings.Contains(got, c.file+" changed")) {
				t.Errorf("says %q", got)
			}
		})
	}
}

// A variable that only the base image knows makes the step take anything, and the reason says so.
func TestUnknownVariable(t *testing.T) {
	w := newWorkspace(t, "FROM base\nCOPY ${FROM_BASE}/x /\n", map[string]string{"a/x": "1"})
	before := w.take(nil)
	w.write("a/x", "2")
	reasons, err := Predict(before, w.take(before))
	if err != nil || len(reasons) != 1 ||
		!strings.HasSuffix(reasons[0].Why, "(a variable in its path comes from the base: it may copy that)") {
		t.Fatal(text(reasons), err)
	}
}

func TestNamedContexts(t *testing.T) {
	w := newWorkspace(t, "FROM Base\nCOPY --from=assets img /img\nCOPY --from=tool:1 /bin/tool /bin/\n",
		map[string]string{"x": "1"})
	assets := t.TempDir()
	w.do(os.MkdirAll(filepath.Join(assets, "img"), 0o755))
	w.do(os.WriteFile(filepath.Join(assets, "img", "logo"), []byte("1"), 0o644))
	w.do(os.WriteFile(filepath.Join(assets, "other"), []byte("1"), 0o644))
	w.in.Contexts = map[string]buildinputs.Tree{"assets": {Dir: assets}, "base": {Address: "docker-image://debian:12"}}
	before := w.take(nil)
	w.do(os.WriteFile(filepath.Join(assets, "other"), []byte("22"), 0o644))
	if reasons, err := Predict(before, w.take(before)); err != nil || len(reasons) != 0 {
		t.Fatal(text(reasons), err)
	}
	w.do(os.WriteFile(filepath.Join(assets, "img", "logo"), []byte("22"), 0o644))
	w.in.Contexts["base"] = buildinputs.Tree{Address: "docker-image://debian:13"}
	reasons, err := Predict(before, w.take(before))
	want := `1 [stage-0 1/3] FROM Base: context "Base" changed from "docker-image://debian:12" to ` +
		`"docker-image://debian:13"
2 [stage-0 2/3] COPY --from=assets img /img: img/logo changed (context "assets")
3 [stage-0 3/3] COPY --from=tool:1 /bin/tool /bin/: follows from line 2
`
	if got := text(reasons); err != nil || got != want {
		t.Fatalf("got\n%s\nwant\n%s\n%v", got, want, err)
	}
}
