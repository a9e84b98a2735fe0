package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// greetSource is the package that all services of a generated stack share.
const greetSource = `// Package greet is what the services share.
package greet

import "net/http"

// Serve answers with a name.
func Serve(name string) error {
	return http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(name))
	}))
}
`

// generate writes a repository of n small Go services that imports the targets, as docs/import.md says, and gives
// its stack. The services share a base image and an internal package; each has its own folder and Dockerfile.
func generate(dir, source string, n int) (*stack, error) {
	s := &stack{
		name: fmt.Sprint(n), title: fmt.Sprintf("%d generated images", n),
		root: dir, compose: filepath.Join(dir, "compose.yaml"),
	}
	files, err := importer(source)
	if err != nil {
		return nil, err
	}
	files["app/go.mod"] = "module example.com/app\n\ngo 1.26\n"
	files["app/internal/greet/it.go"] = greetSource
	var compose strings.Builder
	compose.WriteString("name: bench\nservices:\n")
	for i := range n {
		name := fmt.Sprintf("s%d-%02d", n, i+1) // no stack's images are another's: they are built by turns
		s.services = append(s.services, name)
		files["app/"+name+"/main.go"] = fmt.Sprintf(mainGo, name)
		files["app/docker/"+name+".Dockerfile"] = fmt.Sprintf(dockerfile, name)
		fmt.Fprintf(&compose, "  %s:\n    image: ${IMAGE_PREFIX:-bench}/%[1]s:latest\n"+
			"    build: {context: app, dockerfile: docker/%[1]s.Dockerfile}\n", name)
	}
	files["compose.yaml"] = compose.String()
	if err := write(dir, files); err != nil {
		return nil, err
	}
	s.service = s.services[0]
	s.source = filepath.Join(dir, "app", s.service, "bench_change.go")
	s.dockerfile = filepath.Join(dir, "app", "docker", s.service+".Dockerfile")
	return s, nil
}

// contextFiles is how many files the context of the stack "files" has, as one with its node_modules may.
const contextFiles = 60_000

// manyFiles writes a repository whose one image copies a context of contextFiles small files.
func manyFiles(dir, source string) (*stack, error) {
	s := &stack{
		name: "files", title: fmt.Sprintf("one image of %d files", contextFiles),
		root: dir, compose: filepath.Join(dir, "compose.yaml"),
		services: []string{"app"}, service: "app",
		source: filepath.Join(dir, "app", "bench_change.go"), dockerfile: filepath.Join(dir, "app", "Dockerfile"),
	}
	files, err := importer(source)
	if err != nil {
		return nil, err
	}
	files["compose.yaml"] = "name: bench\nservices:\n  app:\n" +
		"    image: ${IMAGE_PREFIX:-bench}/app:latest\n    build: app\n"
	files["app/Dockerfile"] = "FROM debian:bookworm-slim\nCOPY . /app\n"
	for i := range contextFiles - 1 {
		path := fmt.Sprintf("app/p%03d/d%02d/f%d.js", i/200, i/20%10, i%20)
		files[path] = fmt.Sprintf("module.exports = %d\n%s", i, strings.Repeat("// of a package\n", i%40))
	}
	if err := write(dir, files); err != nil {
		return nil, err
	}
	return s, nil
}

// importer gives the files, by path, that make a repository import the targets of the one at source, as
// docs/import.md says.
func importer(source string) (map[string]string, error) {
	mod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return nil, err
	}
	sum, err := os.ReadFile(filepath.Join(source, "go.sum"))
	if err != nil {
		return nil, err
	}
	const module = "github.com/25eloquence/compose-mage"
	return map[string]string{
		"magefiles/magefile.go": magefile,
		"go.sum":                string(sum),
		"go.mod": strings.Replace(string(mod), "module "+module, "module example.com/importer", 1) +
			"\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + source + "\n",
	}, nil
}

const magefile = `//go:build mage

package main

import (
	// mage:import
	"github.com/25eloquence/compose-mage/magefiles/targets"
)

var Default = targets.Menu
`

// write writes files, by path below dir.
func write(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

const mainGo = `package main

import "example.com/app/internal/greet"

func main() {
	if err := greet.Serve(%q); err != nil {
		panic(err)
	}
}
`

const dockerfile = `FROM golang:1.26-bookworm AS build
ENV CGO_ENABLED=0 GOTOOLCHAIN=local
WORKDIR /src
COPY go.mod ./
COPY internal internal
RUN --mount=type=cache,id=bench-gobuild,target=/root/.cache/go-build go build -trimpath ./internal/...
COPY %[1]s %[1]s
RUN --mount=type=cache,id=bench-gobuild,target=/root/.cache/go-build \
    go build -trimpath -ldflags "-s -w" -o /out/ ./%[1]s

FROM debian:bookworm-slim
COPY --from=build /out/%[1]s /%[1]s
USER 10001:10001
ENTRYPOINT ["/%[1]s"]
`
