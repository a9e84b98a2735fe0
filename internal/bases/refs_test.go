package bases

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// built is a service with this build section.
func built(b types.BuildConfig) types.ServiceConfig {
	s := types.ServiceConfig{Name: "app"}
	s.Build = &b
	return s
}

// inline is a project of one service with this Dockerfile.
func inline(dockerfile string, change func(*types.ServiceConfig)) *types.Project {
	service := built(types.BuildConfig{Context: "/nowhere", DockerfileInline: dockerfile})
	if change != nil {
		change(&service)
	}
	return &types.Project{Name: "p", WorkingDir: "/nowhere", Services: types.Services{"app": service}}
}

func args(pairs ...string) func(*types.ServiceConfig) {
	return func(s *types.ServiceConfig) { s.Build.Args = types.NewMappingWithEquals(pairs) }
}

func TestRefsOfADockerfile(t *testing.T) {
	pinned := "golang:1@" + sum("x").String()
	for name, c := range map[string]struct {
		dockerfile string
		change     func(*types.ServiceConfig)
		want       string
	}{
		"one":     {"FROM golang:1\n", nil, "golang:1"},
		"scratch": {"FROM scratch\nCOPY x /\n", nil, ""},
		"stages": {"FROM golang:1 AS Build\nFROM build AS test\nFROM debian:12\nCOPY --from=build " +
			"/a /\nCOPY --from=0 /b /\nCOPY --from=TEST /c /\n", nil, "debian:12 golang:1"},
		"a stage of later on": {"FROM later\nFROM golang:1 AS later\n", nil, "golang:1 later"},
		"copy from an image":  {"FROM scratch\nCOPY --from=ghcr.io/a/uv:0.5 /uv /\n", nil, "ghcr.io/a/uv:0.5"},
		"mount from an image": {"FROM golang:1\nRUN --mount=type=bind,from=debian:12,target=/d " +
			"--mount=type=cache,target=/c true\n", nil, "debian:12 golang:1"},
		"mount from a stage": {
			"FROM golang:1 AS b\nFROM debian:12\nRUN --mount=from=b,target=/d true\n", nil,
			"debian:12 golang:1",
		},
		"pinned":        {"FROM " + pinned + "\nCOPY --from=" + pinned + " /a /\n", nil, ""},
		"spelled twice": {"FROM docker.io/library/golang:latest\nCOPY --from=golang /a /\n", nil, "golang"},
		"a default": {
			"ARG V=1.26\nARG IMAGE=golang:${V}-bookworm\nFROM $IMAGE\n", nil,
			"golang:1.26-bookworm",
		},
		"an argument wins":       {"ARG V=1.26\nFROM golang:$V\n", args("V=1.27"), "golang:1.27"},
		"an argument in use":     {"ARG V\nFROM golang:${V:-1.20}\n", args("V=1.27"), "golang:1.27"},
		"a fallback":             {"ARG V\nFROM golang:${V:-1.20}\n", nil, "golang:1.20"},
		"an undeclared argument": {"FROM golang:${V:-1.20}\n", args("V=1.27"), "golang:1.20"},
		"args after FROM": {
			"ARG V=1\nFROM golang:$V\nARG V=2\nCOPY --from=debian:12 /a /\n", nil,
			"debian:12 golang:1",
		},
		"the platform": {
			"ARG TARGETARCH\nFROM --platform=$BUILDPLATFORM golang:1 AS b\nFROM " +
				"tool-${TARGETARCH}:1\n", func(s *types.ServiceConfig) { s.Platform = "linux/arm64" },
			"golang:1 tool-arm64:1",
		},
		"the platform undeclared": {"FROM tool-${TARGETARCH}:1\n", nil, "tool-" + runtime.GOARCH + ":1"},
		"several platforms": {
			"FROM tool-${TARGETARCH}${TARGETVARIANT}:1\n",
			func(s *types.ServiceConfig) { s.Build.Platforms = []string{"linux/amd64", "linux/arm/v7"} },
			"tool-amd64:1 tool-armv7:1",
		},
		"a syntax line":       {"# syntax=docker/dockerfile:1\nFROM golang:1\n", nil, "docker/dockerfile:1 golang:1"},
		"a syntax of its own": {"#syntax=ghcr.io/a/packer:2\nimage: {from: debian}\n", nil, "ghcr.io/a/packer:2"},
		"a syntax by argument": {
			"FROM golang:1\n", args("BUILDKIT_SYNTAX=docker/dockerfile:1-labs"),
			"docker/dockerfile:1-labs golang:1",
		},
		"an escape line": {"# escape=`\nFROM `\n  golang:1\n", nil, "golang:1"},
		"heredocs": {
			"FROM golang:1\nRUN <<EOF\nFROM debian:12\nEOF\nCOPY <<a <<b /\nFROM redis:7\na\nb\n", nil,
			"golang:1",
		},
		"ONBUILD": {"FROM golang:1\nONBUILD COPY --from=debian:12 /a /\n", nil, "golang:1"},
	} {
		got, err := Refs(inline(c.dockerfile, c.change))
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
	}
}

func TestRefsOfNamedContexts(t *testing.T) {
	dockerfile := "FROM golang:1 AS build\nFROM docker.io/library/debian\nCOPY --from=goroot / /\nCOPY --from=build " +
		"/ /\nCOPY --from=redis:7 / /\n"
	for name, c := range map[string]struct {
		contexts types.Mapping
		want     string
	}{
		"none":            {nil, "docker.io/library/debian golang:1 goroot redis:7"},
		"a folder":        {types.Mapping{"goroot": "/usr/local/go"}, "docker.io/library/debian golang:1 redis:7"},
		"another service": {types.Mapping{"goroot": "service:base"}, "docker.io/library/debian golang:1 redis:7"},
		"an image": {
			types.Mapping{"goroot": "docker-image://golang:1.20"},
			"docker.io/library/debian golang:1 golang:1.20 redis:7",
		},
		"a pinned image": {
			types.Mapping{"goroot": "docker-image://golang@" + sum("a").String()},
			"docker.io/library/debian golang:1 redis:7",
		},
		"a base replaced": {
			types.Mapping{"goroot": ".", "golang:1": "docker-image://mirror.example/golang:1"},
			"docker.io/library/debian mirror.example/golang:1 redis:7",
		},
		"latest left out": {types.Mapping{"goroot": ".", "debian": "docker-image://scratch"}, "golang:1 redis:7"},
		"a whole stage": {
			types.Mapping{"goroot": ".", "build": "./prebuilt"},
			"docker.io/library/debian redis:7",
		},
		"a source of files": {
			types.Mapping{"goroot": ".", "redis:7": "./redis"},
			"docker.io/library/debian golang:1",
		},
		"another tag replaced": {
			types.Mapping{"goroot": ".", "redis:8": "./redis"},
			"docker.io/library/debian golang:1 redis:7",
		},
	} {
		got, err := Refs(inline(dockerfile, func(s *types.ServiceConfig) { s.Build.AdditionalContexts = c.contexts }))
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
	}
}

func TestRefsReadsEveryServicesFile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a/Dockerfile": "FROM golang:1\n", "docker/b.Dockerfile": "FROM debian:12\n",
		"abs.Dockerfile": "FROM redis:7\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := func(context, file string) types.ServiceConfig {
		return built(types.BuildConfig{Context: context, Dockerfile: file})
	}
	project := &types.Project{WorkingDir: dir, Services: types.Services{
		"relative": build("a", ""), "beside": build(dir, "docker/b.Dockerfile"),
		"absolute": build(dir, filepath.Join(dir, "abs.Dockerfile")),
		"remote":   build("https://example.com/repo.git", ""), "ssh": build("git@example.com:a/b", "x"),
		"pulled": {Name: "pulled"},
	}}
	got, err := Refs(project)
	if err != nil || fmt.Sprint(got) != "[debian:12 golang:1 redis:7]" {
		t.Errorf("got %v, %v", got, err)
	}
	project.Services["gone"] = build("a", "No.Dockerfile")
	if err := os.WriteFile(filepath.Join(dir, "docker/b.Dockerfile"), []byte("FROM debian:12\nCOPPY a /\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Refs(project)
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Config {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		`the bases of "gone": open`, "No.Dockerfile",
		`the bases of "beside": docker/b.Dockerfile:2: unknown instruction: COPPY`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestRefsOfABrokenDockerfile(t *testing.T) {
	for name, c := range map[string]struct{ dockerfile, want string }{
		"empty":              {"\n# nothing\n", "file with no instructions"},
		"a blank base":       {"ARG V\nFROM $V\n", "dockerfile_inline:2: the base name $V is blank"},
		"half a reference":   {"FROM golang:$V\n", `reference "golang:": invalid reference format`},
		"upper case":         {"FROM Golang:1\n", `reference "Golang:1": invalid reference format`},
		"a bad substitution": {"FROM golang:1\nFROM ${V\n", "dockerfile_inline:2: "},
		"a bad default":      {"ARG V=${W\nFROM golang:$V\n", "dockerfile_inline:1: "},
		"mount from a variable": {
			"FROM golang:1\nRUN --mount=from=$V,target=/d true\n",
			"dockerfile_inline:2: 'from' doesn't support",
		},
		"no FROM":              {"COPY a /\n", "dockerfile_inline"},
		"copy from a variable": {"FROM golang:1\nCOPY --from=$V /a /\n", `reference "$V"`},
	} {
		got, err := Refs(inline(c.dockerfile, nil))
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Config || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v, want %q", name, got, err, c.want)
		}
	}
}

// What this repository's own Dockerfiles start from is what setup can make where Docker Hub is away.
func TestRefsOfThisRepository(t *testing.T) {
	root := filepath.Join("..", "..")
	files, err := filepath.Glob(filepath.Join(root, "docker", "*.Dockerfile"))
	if err != nil || len(files) < 7 {
		t.Fatalf("got %v, %v", files, err)
	}
	project := &types.Project{WorkingDir: root, Services: types.Services{}}
	for _, file := range files {
		abs, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		project.Services[filepath.Base(file)] = built(types.BuildConfig{Context: root, Dockerfile: abs})
	}
	got, err := Refs(project)
	if err != nil || fmt.Sprint(got) != "[debian:bookworm-slim golang:1.26-bookworm]" {
		t.Errorf("got %v, %v", got, err)
	}
}
