package explain

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/buildcontext"
	"github.com/25eloquence/compose-mage/internal/buildinputs"
)

const goDockerfile = `# comment
ARG GO=1.26
FROM golang:${GO}-bookworm AS build
ARG GOPROXY
ENV CGO_ENABLED=0
WORKDIR /src
COPY services/go.mod services/go.sum ./
RUN go mod download
COPY services/internal internal
RUN go build ./internal/...
COPY services/api api
RUN --mount=type=cache,target=/root/.cache \
    go build \
    -o /out/ ./api

FROM scratch
COPY --from=build /out/ /
USER 10001
ENTRYPOINT ["/api"]
`

// workspace is a context on disk and what a build of it reads.
type workspace struct {
	t   testing.TB
	in  buildinputs.Inputs
	now time.Time
}

func newWorkspace(t testing.TB, text string, files map[string]string) *workspace {
	w := &workspace{t: t, now: time.Unix(1_800_000_000, 0), in: buildinputs.Inputs{
		Project: "p", Service: "api", Dockerfile: "Dockerfile", Text: text, Context: buildinputs.Tree{Dir: t.TempDir()},
		Args: map[string]string{},
	}}
	for name, content := range files {
		w.write(name, content)
	}
	return w
}

func (w *workspace) path(name string) string {
	return filepath.Join(w.in.Context.Dir, filepath.FromSlash(name))
}

// write gives a file a content, at a time of its own.
func (w *workspace) write(name, content string) {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	w.do(os.MkdirAll(filepath.Dir(w.path(name)), 0o755))
	w.do(os.WriteFile(w.path(name), []byte(content), 0o644))
	w.do(os.Chtimes(w.path(name), w.now, w.now))
}

func (w *workspace) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// replace changes the Dockerfile.
func (w *workspace) replace(old, new string) {
	w.t.Helper()
	if !strings.Contains(w.in.Text, old) {
		w.t.Fatalf("%q is not in the Dockerfile", old)
	}
	w.in.Text = strings.Replace(w.in.Text, old, new, 1)
}

// ignore writes an ignore file, and reads it as a build would.
func (w *workspace) ignore(text string) {
	w.t.Helper()
	w.write(".dockerignore", text)
	var err error
	w.in.Context.Patterns, w.in.Context.IgnoreFile, err = buildcontext.Ignore(w.in.Context.Dir, "")
	w.do(err)
}

func (w *workspace) take(before *buildinputs.Record) *buildinputs.Record {
	w.t.Helper()
	r, err := buildinputs.Take(context.Background(), w.in, before)
	w.do(err)
	return &r
}

// text writes reasons in the form in which the tests compare them.
func text(reasons []Reason) string {
	var b strings.Builder
	for _, r := range reasons {
		fmt.Fprintf(&b, "%d %s: %s\n", r.Line, r.Step, r.Why)
		for _, d := range r.Detail {
			b.WriteString("  " + d + "\n")
		}
	}
	return b.String()
}

func goFiles() map[string]string {
	return map[string]string{
		"services/go.mod": "module services", "services/go.sum": "sums", "services/internal/a/a.go": "package a",
		"services/api/main.go": "package main", "services/api/handlers.go": "package main // handlers",
		"services/api/README.md": "# api",
		"docs/guide.md":          "guide",
	}
}

// fromLine12 is what follows the step at line 12 in goDockerfile.
const (
	fromMod = `8 [build 4/8] RUN go mod download: follows from line 7
9 [build 5/8] COPY services/internal internal: follows from line 7
10 [build 6/8] RUN go build ./internal/...: follows from line 7
11 [build 7/8] COPY services/api api: follows from line 7
12 [build 8/8] RUN go build -o /out/ ./api: follows from line 7
17 [stage-1 1/1] COPY --from=build /out/ /: follows from line 7
`
	fromAPI = `12 [build 8/8] RUN go build -o /out/ ./api: follows from line 11
17 [stage-1 1/1] COPY --from=build /out/ /: follows from line 11
`
	fromBuild = `17 [stage-1 1/1] COPY --from=build /out/ /: follows from line 12
`
)

// all gives what follows where the base, or line 8, is another.
func all(line, why string) string {
	const fromBase = `6 [build 2/8] WORKDIR /src: follows from line 3
7 [build 3/8] COPY services/go.mod services/go.sum ./: follows from line 3
`
	rest := strings.Replace(fromMod, "8 [build 4/8] RUN go mod download: follows from line 7\n", "", 1)
	if line == "FROM" {
		return "3 [build 1/8] FROM golang:${GO}-bookworm AS build: " + why + "\n" +
			fromBase + strings.ReplaceAll(fromMod, "line 7", "line 3")
	}
	return strings.ReplaceAll(rest, "line 7", "line "+line)
}

func TestPredict(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(w *workspace)
		want string
	}{
		{"nothing", func(*workspace) {}, ""},
		{"a comment and an empty line", func(w *workspace) { w.replace("# comment\n", "# another\n\n# two\n") }, ""},
		{
			"a file that no step copies",
			func(w *workspace) { w.write("docs/guide.md", "new"); w.write("more.txt", "new") }, "",
		},
		{"the time alone", func(w *workspace) { w.write("services/api/main.go", "package main") }, ""},
		{
			"a file", func(w *workspace) { w.write("services/api/handlers.go", "package main // new") },
			"11 [build 7/8] COPY services/api api: services/api/handlers.go changed\n" + fromAPI,
		},
		{
			"a file that a step names", func(w *workspace) { w.write("services/go.sum", "more sums") },
			"7 [build 3/8] COPY services/go.mod services/go.sum ./: services/go.sum changed\n" + fromMod,
		},
		{
			"a new file", func(w *workspace) { w.write("services/api/new.go", "package main") },
			"11 [build 7/8] COPY services/api api: services/api/new.go was added\n" + fromAPI,
		},
		{
			"a removed file", func(w *workspace) { w.do(os.Remove(w.path("services/api/handlers.go"))) },
			"11 [build 7/8] COPY services/api api: services/api/handlers.go was removed\n" + fromAPI,
		},
		{
			"a renamed file", func(w *workspace) {
				w.do(os.Rename(w.path("services/api/handlers.go"), w.path("services/api/routes.go")))
			},
			"11 [build 7/8] COPY services/api api: services/api/handlers.go was renamed to services/api/routes.go\n" +
				fromAPI,
		},
		{
			"a mode", func(w *workspace) { w.do(os.Chmod(w.path("services/api/main.go"), 0o755)) },
			"11 [build 7/8] COPY services/api api: mode of services/api/main.go: -rwxr-xr-x, was -rw-r--r--\n" +
				fromAPI,
		},
		{
			"an empty directory", func(w *workspace) { w.do(os.Mkdir(w.path("services/api/empty"), 0o755)) },
			"11 [build 7/8] COPY services/api api: services/api/empty was added\n" + fromAPI,
		},
		{
			"several files", func(w *workspace) {
				w.write("services/api/main.go", "1")
				w.write("services/api/x/y.go", "2")
				w.do(os.Remove(w.path("services/api/handlers.go")))
			},
			`11 [build 7/8] COPY services/api api: 3 files changed below services/api
  removed services/api/handlers.go
  changed services/api/main.go
  added services/api/x/y.go
` + fromAPI,
		},
		{
			"the ignore file, and nothing else", func(w *workspace) { w.ignore("docs\n") }, "",
		},
		{
			"the ignore file leaves out more", func(w *workspace) { w.ignore("**/*.md\n") },
			"11 [build 7/8] COPY services/api api: .dockerignore changed: left out now: services/api/README.md\n" +
				fromAPI,
		},
		{
			"an argument", func(w *workspace) { w.in.Args["GOPROXY"] = "https://b" },
			"8 [build 4/8] RUN go mod download: build argument GOPROXY changed from \"https://a\" to \"https://b\"\n" +
				all("8", ""),
		},
		{"an argument that the Dockerfile does not know", func(w *workspace) { w.in.Args["OTHER"] = "1" }, ""},
		{
			"the global argument", func(w *workspace) { w.in.Args["GO"] = "1.27" },
			all("FROM", `build argument GO is now given: "1.27"`),
		},
		{
			"the global argument's default", func(w *workspace) { w.replace("GO=1.26", "GO=1.27") },
			all("FROM", "line 2 changed\n  - ARG GO=1.26\n  + ARG GO=1.27"),
		},
		{
			"the base's digest", func(w *workspace) {
				w.in.Bases = map[string]string{"golang:1.26-bookworm": "sha256:" + strings.Repeat("b", 64)}
			},
			all("FROM", "base golang:1.26-bookworm moved from sha256:aaaaaaaaaaaa to sha256:bbbbbbbbbbbb"),
		},
		{
			"the platform", func(w *workspace) { w.in.Platform = "linux/arm64" },
			all("FROM", "platform changed from the builder's to linux/arm64"),
		},
		{
			"an option", func(w *workspace) { w.in.Options = map[string]string{"network": "host"} },
			`8 [build 4/8] RUN go mod download: build option network changed from "" to "host"` + "\n" + all("8", ""),
		},
		{
			"a line", func(w *workspace) { w.replace("go mod download", "go mod download -x") },
			"8 [build 4/8] RUN go mod download -x: line 8 changed\n  - RUN go mod download\n  + RUN go mod download " +
				"-x\n" + all("8", ""),
		},
		{
			"one line of several", func(w *workspace) { w.replace("-o /out/ ./api", "-v -o /out/ ./api") },
			"12 [build 8/8] RUN go build -v -o /out/ ./api: line 12 changed\n  - -o /out/ ./api\n  + -v -o /out/ " +
				"./api\n" + fromBuild,
		},
		{
			"a comment within a step",
			func(w *workspace) { w.replace("    go build \\\n", "    # why\n    go build \\\n") }, "",
		},
		{
			"a step more", func(w *workspace) {
				w.replace("COPY services/api api\n", "RUN go vet ./internal/...\nCOPY services/api api\n")
			},
			`11 [build 7/9] RUN go vet ./internal/...: line 11 is new
  + RUN go vet ./internal/...
12 [build 8/9] COPY services/api api: follows from line 11
13 [build 9/9] RUN go build -o /out/ ./api: follows from line 11
18 [stage-1 1/1] COPY --from=build /out/ /: follows from line 11
`,
		},
		{
			"a step less", func(w *workspace) { w.replace("RUN go build ./internal/...\n", "") },
			`10 [build 6/7] COPY services/api api: line 10 of the last build's Dockerfile is gone
  - RUN go build ./internal/...
11 [build 7/7] RUN go build -o /out/ ./api: follows from line 10
16 [stage-1 1/1] COPY --from=build /out/ /: follows from line 10
`,
		},
		{
			"the last step of a stage less", func(w *workspace) {
				w.replace("RUN --mount=type=cache,target=/root/.cache \\\n    go build \\\n    -o /out/ ./api\n", "")
			},
			`14 [stage-1 1/1] COPY --from=build /out/ /: line 12 of the last build's Dockerfile is gone
  - RUN --mount=type=cache,target=/root/.cache \
  - go build \
  - -o /out/ ./api
`,
		},
		{
			"what a step sees", func(w *workspace) { w.replace("ENV CGO_ENABLED=0", "ENV CGO_ENABLED=1") },
			"8 [build 4/8] RUN go mod download: line 5 changed\n  - ENV CGO_ENABLED=0\n  + ENV CGO_ENABLED=1\n" +
				all("8", ""),
		},
		{
			"an ENV more",
			func(w *workspace) { w.replace("COPY services/internal", "ENV A=b\nCOPY services/internal") },
			`11 [build 6/8] RUN go build ./internal/...: line 9 is new
  + ENV A=b
12 [build 7/8] COPY services/api api: follows from line 11
13 [build 8/8] RUN go build -o /out/ ./api: follows from line 11
18 [stage-1 1/1] COPY --from=build /out/ /: follows from line 11
`,
		},
		{
			"where a step copies to",
			func(w *workspace) { w.replace("COPY services/api api", "COPY services/api ./api") },
			"11 [build 7/8] COPY services/api ./api: line 11 changed\n  - COPY services/api api\n  + COPY " +
				"services/api ./api\n" + fromAPI,
		},
		{
			"the image's configuration",
			func(w *workspace) { w.replace(`["/api"]`, `["/api", "-v"]`); w.replace("USER 10001\n", "") },
			`18 ENTRYPOINT ["/api", "-v"]: line 18 changed (no step runs again for it)
  - ENTRYPOINT ["/api"]
  + ENTRYPOINT ["/api", "-v"]
18 USER 10001: line 18 of the last build's Dockerfile is gone (no step runs again for it)
  - USER 10001
`,
		},
		{
			"the target", func(w *workspace) { w.in.Target = "build" },
			"0 : target changed from the last stage to \"build\"\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorkspace(t, goDockerfile, goFiles())
			w.in.Args["GOPROXY"] = "https://a"
			w.in.Bases = map[string]string{"golang:1.26-bookworm": "sha256:" + strings.Repeat("a", 64)}
			before := w.take(nil)
			c.edit(w)
			after := w.take(before)
			reasons, err := Predict(before, after)
			if err != nil {
				t.Fatal(err)
			}
			if got := text(reasons); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestScope changes what a later step sees in one stage, and looks at the first reason.
func TestScope(t *testing.T) {
	const dockerfile = `ARG TAG=1
FROM base:$TAG AS a
USER one
SHELL ["/bin/sh", "-c"]
ARG PLAIN
ARG SET=x$PLAIN
ENV DERIVED=$SET
WORKDIR /w/$DERIVED
RUN ["exec", "form"]
RUN shell form
COPY x /$SET
RUN <<end
first
end
FROM a AS b
ARG TAG
RUN echo in b
RUN third
FROM b
ARG TARGETARCH
COPY --from=a y /
RUN last
`
	for _, c := range []struct {
		name string
		edit func(w *workspace)
		want string
	}{
		{
			"a user", func(w *workspace) { w.replace("USER one", "USER two") },
			"8 [a 2/6] WORKDIR /w/$DERIVED: line 3 changed\n  - USER one\n  + USER two\n9 ",
		},
		{
			"no user", func(w *workspace) { w.replace("USER one\n", "") },
			"7 [a 2/6] WORKDIR /w/$DERIVED: line 3 of the last build's Dockerfile is gone\n  - USER one\n8 ",
		},
		{
			"a shell, which an exec form does not use", func(w *workspace) { w.replace(`"/bin/sh"`, `"/bin/bash"`) },
			"10 [a 4/6] RUN shell form: line 4 changed\n",
		},
		{
			"an argument through two others", func(w *workspace) { w.in.Args["PLAIN"] = "1" },
			"8 [a 2/6] WORKDIR /w/$DERIVED: build argument PLAIN is now given: \"1\"\n9 [a 3/6] RUN [\"exec\", " +
				"\"form\"]: follows from line 8\n",
		},
		{
			"an argument's default", func(w *workspace) { w.replace("SET=x", "SET=y") },
			"8 [a 2/6] WORKDIR /w/$DERIVED: line 6 changed\n  - ARG SET=x$PLAIN\n  + ARG SET=y$PLAIN\n9 [a 3/6] RUN " +
				"[\"exec\", \"form\"]: follows from line 8\n",
		},
		{
			"a heredoc", func(w *workspace) { w.replace("first\n", "second\n") },
			"12 [a 6/6] RUN <<end: line 12 changed\n  - first\n  + second\n",
		},
		{
			"an order", func(w *workspace) { w.replace("RUN echo in b\nRUN third\n", "RUN third\nRUN echo in b\n") },
			"17 [b 1/2] RUN third: line 17 of the last build's Dockerfile is gone\n  - RUN echo in b\n18 [b 2/2] RUN " +
				"echo in b: line 18 is new\n",
		},
		{
			"a new stage", func(w *workspace) { w.replace("FROM b\n", "FROM b AS c\nRUN new\nFROM c\n") },
			"20 [c 1/1] RUN new: ",
		},
		{
			"another base", func(w *workspace) { w.replace("FROM a AS b", "FROM other AS b") },
			"15 [b 1/3] FROM other AS b: line 15 changed\n",
		},
		{
			"a global argument", func(w *workspace) { w.in.Args["TAG"] = "2" },
			"2 [a 1/6] FROM base:$TAG AS a: build argument TAG is now given: \"2\"\n8 ",
		},
		{
			"a stage's name",
			func(w *workspace) { w.replace("FROM a AS b", "FROM a AS bb"); w.replace("FROM b\n", "FROM bb\n") }, "",
		},
		{
			"an architecture", func(w *workspace) { w.in.Platform = "linux/arm64" },
			"2 [a 1/6] FROM base:$TAG AS a: platform changed from linux/amd64 to linux/arm64\n",
		},
		{
			"a stage to copy from", func(w *workspace) { w.replace("--from=a", "--from=b") },
			"21 [stage-2 1/2] COPY --from=b y /: line 21 changed\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorkspace(t, dockerfile, map[string]string{"x": "1"})
			w.in.Platform = "linux/amd64"
			before := w.take(nil)
			c.edit(w)
			reasons, err := Predict(before, w.take(before))
			if err != nil {
				t.Fatal(err)
			}
			if got := text(reasons); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
