package dockerfiles

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/sources"
)

func said(all []check.Finding) string {
	var lines []string
	for _, f := range all {
		var at []string
		for _, p := range f.Places {
			at = append(at, fmt.Sprint(p.Line))
		}
		lines = append(lines, f.ID+" "+strings.Join(at, ","))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

const fine = "FROM debian:12 AS build\nARG VERSION=1\nENV A=${VERSION}\nWORKDIR /src\nCOPY . .\nEXPOSE 80/tcp\n" +
	"RUN make\nFROM scratch\nCOPY --from=build /src/a /a\nENTRYPOINT [\"/a\"]\n"

func TestLint(t *testing.T) {
	left := map[string]bool{}
	for _, r := range lintRules {
		left[r.ID] = true
	}
	for want, text := range map[string]string{
		"":                                   fine,
		"lint.StageNameCasing 1":             "FROM scratch AS Build\nENTRYPOINT [\"/a\"]\n",
		"lint.FromAsCasing 1":                "FROM scratch as build\nENTRYPOINT [\"/a\"]\n",
		"lint.NoEmptyContinuation 4":         "FROM debian:12\nRUN make \\\n\n  a\n",
		"lint.ConsistentInstructionCasing 3": "FROM debian:12\nRUN a\nrun b\nENTRYPOINT [\"/a\"]\n",
		"lint.DuplicateStageName 2":          "FROM debian:12 AS a\nFROM debian:12 AS a\nRUN b\n",
		"lint.ReservedStageName 1":           "FROM debian:12 AS context\nRUN a\n",
		"lint.JSONArgsRecommended 2":         "FROM debian:12\nCMD run me\n",
		"lint.MaintainerDeprecated 2":        "FROM debian:12\nMAINTAINER me\n",
		"lint.InvalidDefaultArgInFrom 1\nlint.UndefinedArgInFrom 1\nlint.syntax 1": "FROM ${NOWHERE}\nRUN a\n",
		"lint.WorkdirRelativePath 2":                    "FROM debian:12\nWORKDIR a\n",
		"lint.UndefinedVar 2":                           "FROM debian:12\nCOPY $NOWHERE /a\n",
		"lint.MultipleInstructionsDisallowed 2":         "FROM debian:12\nCMD [\"a\"]\nCMD [\"b\"]\n",
		"lint.LegacyKeyValueFormat 2":                   "FROM debian:12\nENV A b\n",
		"lint.RedundantTargetPlatform 1":                "FROM --platform=$TARGETPLATFORM debian:12\nRUN a\n",
		"lint.SecretsUsedInArgOrEnv 2,3":                "FROM debian:12\nENV DB_PASSWORD=a\nENV DB_PASSWORD=b\n",
		"lint.InvalidDefaultArgInFrom 2\nlint.syntax 2": "ARG V\nFROM debian:${V}\nRUN a\n",
		"lint.FromPlatformFlagConstDisallowed 1":        "FROM --platform=linux/amd64 debian:12\nRUN a\n",
		"lint.ExposeProtoCasing 2":                      "FROM debian:12\nEXPOSE 80/TCP\n",
		"lint.ExposeInvalidFormat 2":                    "FROM debian:12\nEXPOSE 127.0.0.1:80:80\n",
		"lint.syntax 2":                                 "FROM debian:12\nRUNN a\n",
	} {
		found, err := lintFile(t.Context(), Dockerfile{Path: "Dockerfile", Text: []byte(text), Services: []string{"a"}})
		if got := said(found); err != nil || got != want {
			t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
		}
		for _, f := range found {
			delete(left, f.ID)
		}
	}
	if len(left) > 0 {
		t.Errorf("never seen: %v", left)
	}
}

func TestCopiedEarly(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"requirements.txt", "package.json", "go.mod"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{
		"FROM a\nCOPY . .\nRUN pip install -r requirements.txt\n":                      "build.copy-early 2,3",
		"FROM a\nCOPY --chown=1 ./ /app/\nRUN cd /app && npm ci && npm run build\n":    "build.copy-early 2,3",
		"FROM a\nCOPY . .\nRUN yarn\n":                                                 "build.copy-early 2,3",
		"FROM a\nCOPY go.mod go.sum ./\nRUN go mod download\nCOPY . .\nRUN go build\n": "",
		"FROM a\nCOPY . .\nRUN --mount=type=cache,target=/root pip install -r r.txt\n": "",
		"FROM a\nCOPY . .\nRUN bundle install\n":                                       "",
		"FROM a\nCOPY . .\nRUN pip install flask\n":                                    "",
		"FROM a AS b\nCOPY . .\nFROM a\nCOPY --from=b . .\nRUN npm ci\n":               "",
		"FROM a\nCOPY src dst\nRUN npm ci\n":                                           "",
		"FROM a\nCOPY . .\nRUN npm install -g pnpm\n":                                  "",
	} {
		d := Dockerfile{Path: "Dockerfile", Text: []byte(text), Context: dir}
		if got := said(copiedEarly(d)); got != want {
			t.Errorf("%s\ngot %s, want %s", text, got, want)
		}
	}
}

// The repository's own Dockerfiles are in order.
func TestShippedDockerfiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(sources.Root(t), "docker", "*.Dockerfile"))
	if err != nil || len(files) < 6 {
		t.Fatal(err, files)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d := Dockerfile{Path: path, Text: text, Context: sources.Root(t)}
		found, err := lintFile(t.Context(), d)
		if got := said(append(found, copiedEarly(d)...)); err != nil || got != "" {
			t.Errorf("%s: %v %s", path, err, got)
		}
	}
}

func TestDockerfilesOfAProject(t *testing.T) {
	p := composetest.Load(t, "services:\n  a: {build: {context: ., dockerfile_inline: \"FROM scratch\\n\"}}\n"+
		"  b: {build: {context: 'https://example.test/r.git'}}\n  c: {image: x}\n")
	plan, err := buildplan.Make(p, buildplan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := read(plan)
	if len(files) != 1 || string(files[0].Text) != "FROM scratch\n" || err == nil ||
		!strings.Contains(err.Error(), "the build context of b is on another machine") {
		t.Errorf("%v %+v", err, files)
	}
}
