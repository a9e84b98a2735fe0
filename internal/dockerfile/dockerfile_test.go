package dockerfile

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/golden"
)

// describe writes a plan in the form in which the tests compare it.
func describe(p *Plan) string {
	var b strings.Builder
	at := func(n *Node) string { return fmt.Sprintf("%s%d", n.Kind, n.Line) }
	for _, s := range p.Stages {
		fmt.Fprintf(&b, "stage %d %q given %q of %d steps, reached %v\n", s.Index, s.Name, s.Given(), s.Total,
			p.Reached[s])
	}
	for _, n := range p.Nodes {
		fmt.Fprintf(&b, "%s %d step %v %q\n", at(n), n.Index, n.IsStep(), n.Expanded)
		if in := n.Instruction; in != nil {
			fmt.Fprintf(&b, "  lines %d-%d short %q text %q\n", in.Line, in.Last, in.Short, in.Text)
		}
		for _, d := range n.Deps {
			fmt.Fprintf(&b, "  after %s\n", at(d))
		}
		for _, s := range n.Shown {
			fmt.Fprintf(&b, "  shown %q\n", s)
		}
		for _, s := range n.Sources {
			fmt.Fprintf(&b, "  takes %q of %q all %v unsure %v\n", s.Path, s.Context, s.All, s.Unsure)
		}
		for _, k := range slices.Sorted(maps.Keys(n.Vars)) {
			v := n.Vars[k]
			where := 0
			if v.At != nil {
				where = v.At.Line
			}
			fmt.Fprintf(&b, "  sees %s=%q of line %d caller's %v made from %v\n", k, v.Value, where, v.CallerArg,
				slices.Sorted(maps.Keys(v.Uses)))
		}
		for i, s := range []Setting{n.User, n.Shell} {
			if s.At != nil {
				fmt.Fprintf(&b, "  %s %q of line %d\n", []string{"user", "shell"}[i], s.Value, s.At.Line)
			}
		}
		if used := slices.Sorted(maps.Keys(n.Uses)); len(used) > 0 {
			fmt.Fprintf(&b, "  uses %v\n", used)
		}
		if n.Image != "" || len(n.Remote) > 0 {
			fmt.Fprintf(&b, "  image %q, fetches %q\n", n.Image, n.Remote)
		}
	}
	return b.String()
}

const everything = `# syntax=docker/dockerfile:1
ARG GO=1.26
ARG IMAGE=golang:${GO}
FROM $IMAGE AS Build
ARG GO
ARG TARGETARCH V=$GO W
ENV A=1 B=$A
ENV C=$A
USER 1:$GO
SHELL ["bash", "-c"]
WORKDIR /
WORKDIR /src/$V
COPY --chown=$V:$V a $V/b ./
COPY ${UNKNOWN}/c ./
COPY --from=tool:1 x y
COPY --from=later p q
RUN --mount=type=cache,target=/c --mount=type=bind,source=d,target=/d \
    echo  "$C"
RUN --mount=type=cache,from=cachebase,source=/s,target=/c true
RUN --mount=type=bind,source=$UNKNOWN,target=/d true
RUN <<end
in $A
end
COPY <<"raw" <<made /docs/
raw $A
raw
made $A
made

FROM build AS test
RUN ["true"]
ADD https://example.com/$A git@example.com:a/b.git local.tar /

FROM scratch AS later
COPY --from=Build /out /
COPY --from=0 /out /
COPY --exclude=*.md --parents ./a/./b /

FROM other
COPY . /
`

func TestPlans(t *testing.T) {
	var b strings.Builder
	for _, o := range []Options{
		{},
		{Target: "LATER", Platform: "linux/arm64", Args: map[string]string{"GO": "2", "W": "w", "TARGETARCH": "mine"}},
		{Target: "1", Platform: "linux/arm/v7", Builder: "linux/amd64", Args: map[string]string{"BUILDOS": "plan9"}},
	} {
		p, err := Parse(everything, o)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "== %+v\n%s", o, describe(p))
	}
	golden.Check(t, "plans.txt", b.String())
}

func TestStagesAreFoundByNameOrNumber(t *testing.T) {
	text := "FROM a AS one\nFROM b AS two\nCOPY --from=0 x /\nFROM c\n"
	for target, want := range map[string]string{
		"": "2", "one": "0", "TWO": "0 1", "0": "0", "1": "0 1", "2": "2",
		"3": "error", "-1": "error", "three": "error",
	} {
		p, err := Parse(text, Options{Target: target})
		got := "error"
		if err == nil {
			var reached []string
			for _, s := range p.Stages {
				if p.Reached[s] {
					reached = append(reached, fmt.Sprint(s.Index))
				}
			}
			got = strings.Join(reached, " ")
		}
		if got != want {
			t.Errorf("%q: %s, want %s", target, got, want)
		}
	}
	if _, err := Parse("FROM a AS x\nCOPY --from=y a b\nFROM x AS y\n", Options{}); err != nil {
		t.Error("stages in a circle, which the builder refuses:", err)
	}
}

func TestNamesOfStages(t *testing.T) {
	for text, want := range map[string]string{
		"FROM a\nRUN true\n": "", "FROM a AS b\nRUN true\n": "",
		"FROM a\nRUN --mount=type=cache,target=/x true\n": "stage-0",
		"FROM a AS b\nCOPY --from=c x y\n":                "b", "FROM a\nCOPY x y\n": "", "FROM a\nFROM b\n": "stage-0",
	} {
		p, err := Parse(text, Options{})
		if err != nil || p.Stages[0].Name != want {
			t.Errorf("%q: %q, %v", text, p.Stages[0].Name, err)
		}
	}
}

func TestPlatformsArguments(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"nobody says": {Options{}, ""},
		"several":     {Options{Platform: "linux/amd64,linux/arm64"}, ""},
		"one": {
			Options{Platform: "linux/arm/v7"},
			"TARGETARCH=arm TARGETOS=linux TARGETPLATFORM=linux/arm/v7 TARGETVARIANT=v7",
		},
		"the builder's": {
			Options{Builder: "linux/amd64"},
			"BUILDARCH=amd64 BUILDOS=linux BUILDPLATFORM=linux/amd64 BUILDVARIANT=",
		},
		"an argument wins": {
			Options{Platform: "linux", Args: map[string]string{"TARGETOS": "x"}},
			"TARGETARCH= TARGETOS=x! TARGETPLATFORM=linux TARGETVARIANT=",
		},
	} {
		var got []string
		for k, v := range platformArgs(c.o) {
			text := k + "=" + v.Value
			if v.CallerArg {
				text += "!"
			}
			got = append(got, text)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestImages(t *testing.T) {
	for name, c := range map[string]struct {
		text     string
		contexts map[string]string
		want     string
	}{
		"bases, copies, mounts": {"FROM a AS x\nCOPY --from=b . .\nRUN --mount=from=c,target=/c " +
			"--mount=type=cache,from=d,target=/d true\nFROM x\n", nil, "a b c d"},
		"of no target":          {"FROM a\nCOPY --from=b . .\nFROM c\n", nil, "a c b"},
		"stages, in any case":   {"FROM a AS X\nFROM x\nCOPY --from=X . .\nCOPY --from=0 . .\n", nil, "a"},
		"a number that is none": {"FROM a\nCOPY --from=7 . .\n", nil, "a"},
		"contexts": {
			"FROM a AS x\nFROM b\nCOPY --from=c . .\nCOPY --from=d:latest . .\n",
			map[string]string{"x": ".", "c": ".", "d": "."},
			"b",
		},
		"of another name": {
			"FROM a:1 AS x\nCOPY --from=b . .\n",
			map[string]string{"a": ".", "y": "."},
			"a:1 b",
		},
		"no reference at all":    {"FROM a\nCOPY --from=$V . .\n", map[string]string{"a": "."}, "$V"},
		"a stage without a name": {"FROM a\n", map[string]string{"": "."}, "a"},
		"twice in one RUN": {
			"FROM a\nRUN --mount=from=b,target=/b --mount=from=b,target=/c true\n", nil,
			"a b b",
		},
		"a stage of a later line": {"FROM a\nCOPY --from=late . .\nFROM b AS late\n", nil, "a b"},
	} {
		p, err := Parse(c.text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.Images(c.contexts), " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestWhatCanNotBeFilledIn(t *testing.T) {
	for text, want := range map[string]string{
		"ARG V\nFROM $V\n":    "2 the base name $V is blank without build arguments",
		"ARG V=${W\nFROM a\n": "1 failed to process", "FROM a\nFROM ${V\n": "2 failed to process",
		"ARG A=1 B=${W C=${X\nFROM a\n": "1 failed to process \"${W", "FROM a\nENV V=${W\n": "",
		"ARG V=a\nFROM $V\n": "", "FROM a\nARG V=${W\n": "",
	} {
		p, err := Parse(text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if in := p.Unfilled(); in != nil {
			got = fmt.Sprint(in.Line, " ", in.Err)
		}
		if (got == "") != (want == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestSyntaxOfADockerfile(t *testing.T) {
	for text, want := range map[string]string{
		"# syntax=a/b:1\nFROM a\n": "a/b:1", "FROM a\n": "",
		"#!/bin/x\n#syntax=c\n": "c",
	} {
		if got := Syntax([]byte(text), nil); got != want {
			t.Errorf("%q: %q", text, got)
		}
		if got := Syntax([]byte(text), map[string]string{SyntaxArgument: "given"}); got != "given" {
			t.Errorf("%q, by argument: %q", text, got)
		}
	}
}

func TestContextsThatABuilderFetches(t *testing.T) {
	for context, want := range map[string]bool{
		"https://example.com/x": true, "git@example.com:a/b": true, "github.com/a/b": true, "/a/b": false,
		"./github.com/a": false, "a@b": false,
	} {
		if Remote(context) != want {
			t.Errorf("%s: %v", context, !want)
		}
	}
}

func TestWhereADockerfileIs(t *testing.T) {
	upper, lower, none := t.TempDir(), t.TempDir(), t.TempDir()
	for _, path := range []string{
		filepath.Join(upper, "Dockerfile"), filepath.Join(upper, "dockerfile"),
		filepath.Join(lower, "dockerfile"),
	} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ context, name, want string }{
		{upper, "", upper + "/Dockerfile"},
		{lower, "", lower + "/dockerfile"},
		{none, "", none + "/Dockerfile"},
		{lower, "Dockerfile", lower + "/dockerfile"},
		{lower, "Other", lower + "/Other"},
		{none, lower + "/Dockerfile", lower + "/dockerfile"},
		{none, "d/x", none + "/d/x"},
	} {
		if got := Path(c.context, c.name); filepath.ToSlash(got) != c.want {
			t.Errorf("%q: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	_, err := Parse("FROM a\nCOPPY x\n", Options{})
	if got := Located("my/Dockerfile", err).Error(); !strings.HasPrefix(got,
		"my/Dockerfile:2: unknown instruction: COPPY") {
		t.Error(got)
	}
	if got := Located("my/Dockerfile", os.ErrNotExist).Error(); got != "my/Dockerfile: file does not exist" {
		t.Error(got)
	}
}

func TestFormsOfAReference(t *testing.T) {
	for ref, want := range map[string]string{
		"golang": "docker.io/library/golang:latest golang:latest",
		"x/y:1":  "docker.io/x/y:1 x/y:1", "$V": "$V $V",
	} {
		full, familiar := FullReference(ref)
		if full+" "+familiar != want {
			t.Errorf("%s: %s %s", ref, full, familiar)
		}
	}
}

// FuzzParse reads any text: no panic, every node on a line that is there, and what is parsed again is the same.
func FuzzParse(f *testing.F) {
	f.Add(everything, "later", "linux/arm64", "GO=1")
	f.Add("FROM a\nCOPY --from=b --parents [ ./a/./ /\n", "", "", "")
	f.Add("FROM a AS b\nFROM b\nCOPY --from=b --link . .\nRUN --mount=from=0,source=$X,target=/x true\n", "0", "x", "X")
	files, err := filepath.Glob(filepath.Join("..", "..", "docker", "*.Dockerfile"))
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "", "linux/amd64", "GOPROXY=x")
	}
	f.Fuzz(func(t *testing.T, text, target, platform, arg string) {
		name, value, _ := strings.Cut(arg, "=")
		o := Options{Target: target, Platform: platform, Builder: platform, Args: map[string]string{name: value}}
		_ = Syntax([]byte(text), o.Args)
		p, err := Parse(text, o)
		if err != nil {
			_ = Located("Dockerfile", err)
			return
		}
		_ = p.Images(map[string]string{name: value})
		_ = p.Unfilled()
		again, err := Parse(text, o)
		if err != nil || describe(again) != describe(p) {
			t.Fatalf("parsed twice: %v\n%s\n%s", err, describe(p), describe(again))
		}
		for _, n := range p.Nodes {
			if n.Line < 1 || n.Line > len(p.Lines) || n.Index < 0 || n.Index > n.Stage.Total {
				t.Fatalf("%+v", n)
			}
			for _, s := range Followed(n.Sources, map[string]string{name: value, value: name}) {
				_ = s.Matches(value)
			}
		}
	})
}
